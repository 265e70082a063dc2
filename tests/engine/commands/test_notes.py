"""Notes by people and agents on existing things, as one line of plain text, with or without an engine."""

from __future__ import annotations

import pytest
from autoloop.engine.commands.directly import carry_out_directly
from autoloop.metrics import default_book
from autoloop.model import Actor, LoopState, NoteTarget, UserError
from autoloop.protocol import Note
from autoloop.reports.html import render_page
from autoloop.reports.markdown import render
from autoloop.store import take_snapshot

from tests.engine.project import EngineProject
from tests.support.senders import agent, person

HOSTILE = "look\x1b[31m at\u202e <b>this</b>\r\n| ![x](http://e.vil) |"


def test_notes_are_kept_with_their_author_and_stand_in_both_reports(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        engine.waiting()
        run = project.named(loop, "a")
        said = engine.done(Note(text=HOSTILE, target=NoteTarget.RUN, about="a"), agent())
        assert said == f"noted on run {run.id}"
        engine.done(Note(text="too steep", target=NoteTarget.PROPOSAL, about="1"))
        engine.done(Note(text="a slow night", target=NoteTarget.ROUND, about="1"))
        again = engine.done(Note(text="a slow night", target=NoteTarget.ROUND, about="1"))
        assert again == "the note on round 1 already exists"  # a retry creates no duplicate
        for target, about in ((NoteTarget.RUN, "nope"), (NoteTarget.ROUND, "9"), (NoteTarget.PROPOSAL, "77")):
            assert about in engine.refused(Note(text="lost", target=target, about=about))
        assert engine.refused(Note(text=" \x1b[2J\u200b ")) == "The note is empty."
        assert "command contains a secret" in _refused(project, Note(text="hf_abcdefghijklmnopqrstuvwxyz012345"))
        engine.rows_refused([("note", {"text": "x" * 1001}), ("note", {"text": "x", "target": "nobody"})])

    notes = take_snapshot(project.store, loop.id).notes
    assert [(each.where, str(each.author), each.text) for each in notes] == [
        (f"run {run.id}", "agent:codex", "look at  <b>this</b> | ![x](http://e.vil) |"),
        ("proposal 1", "ada", "too steep"),
        ("round 1", "ada", "a slow night"),
    ]
    assert f"agent:codex notes on run {run.id}: look at" in project.story(loop, "note")[-3]
    markdown = render(project.store, loop.id, default_book())
    assert f"- run a ({run.id}), agent:codex, " in markdown
    assert "<b>" not in markdown
    assert "!\\[x](http\\:" in markdown
    page = render_page(project.store, loop.id, default_book(), lambda _: {})
    assert "&lt;b&gt;this" in page
    assert "proposal 1, ada, " in page


def test_a_loop_that_no_engine_drives_takes_notes(project: EngineProject) -> None:
    loop = project.run(project.loop([project.config("a")]))
    assert loop.state is LoopState.FINISHED
    request = Note(text="the one to publish", target=NoteTarget.RUN, about="a")
    assert carry_out_directly(project.store, loop, request, agent("gemini")).startswith("noted on run ")
    (note,) = project.store.notes(loop.id)
    assert (note.author, note.text) == (Actor.agent("gemini"), "the one to publish")
    command = project.store.command(note.command)
    assert (command.ok, command.kind) == (True, "note")
    with pytest.raises(UserError, match='has no run "b"'):
        carry_out_directly(project.store, loop, Note(text="x", target=NoteTarget.RUN, about="b"), person())
    assert len(project.store.answered_commands(loop.id)) == 1  # refused notes leave nothing behind


def _refused(project: EngineProject, request: Note) -> str:
    with pytest.raises(UserError) as error:
        project.store.send(1, request, person())
    return str(error.value)
