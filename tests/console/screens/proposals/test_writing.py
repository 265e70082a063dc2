"""Changing proposals and writing new ones: in place, in a dialog, and in the user's own editor."""

from __future__ import annotations

import contextlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import (
    Change,
    Expectation,
    ProposalStatus,
)
from autoloop.protocol import Edit, Propose, Variant
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from autoloop_tui.console.present.proposals.edits import edit_lines, edits_of_file
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.pick_run import PickRun
from autoloop_tui.console.screens.proposals.editor import EditTable
from tests.console.projects import CONFIG, RecordedProject, painted
from tests.console.running import on_top
from tests.console.screens.proposals.driving import (
    BATCH,
    REG,
    add,
    all_text,
    base_of,
    console,
    last_line,
)
from tests.console.waiting import settle


async def test_a_deleted_key_is_shown_as_such_and_stays_deleted_when_the_others_are_typed_over(
    project: RecordedProject,
) -> None:
    gone = Change(path="ot.loss_config.tau_src", before=0.05, after=None, removed=True)
    made = Change(path="ot.loss_config.tau_scr", before=None, after=1, created=True)
    add(project, [REG, gone, made], edits=["(as a rule wrote it)"])

    async with console(project, (120, 40)) as (pilot, app):
        assert "0.05 → (deleted)" in all_text(app)
        await pilot.press("e")
        await settle(pilot)
        await type_over(pilot, app, "0.2")
        await pilot.press("enter")
        await settle(pilot)
        edits = ["ot.loss_config.reg@set=0.2", "ot.loss_config.tau_src@del", "ot.loss_config.tau_scr@new=1"]
        assert project.commands() == [Edit(proposal=1, edits=edits)]


async def type_over(pilot: Pilot[Any], app: App[Any], text: str) -> None:
    app.screen.query(Input).first().value = text
    await settle(pilot)
    on_top(app, EditTable).verdict()
    await settle(pilot)


def verdict(app: App[Any]) -> str:
    return " ".join(" ".join(painted(app.screen.query_one("Verdict"))).split())


async def test_a_value_is_edited_in_place_and_all_edits_are_sent_as_they_stand(project: RecordedProject) -> None:
    add(project, (REG, BATCH), edits=["ot.loss_config.reg@mul=1.6", "batch_size@add=8", "optimizer.lr@mul=2"])

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        assert isinstance(app.screen, EditTable)
        assert app.screen.query_one(Input).value == "0.16"
        await pilot.press("down", *"20.6")
        on_top(app, EditTable).verdict()
        await settle(pilot)
        assert "batch_size takes whole numbers: 20.6 was rounded to 21" in verdict(app)
        await pilot.press("enter")
        await settle(pilot)
        edits = ["ot.loss_config.reg@set=0.16", "batch_size@set=20.6"]
        assert project.commands() == [Edit(proposal=1, edits=edits)]


async def test_the_reason_and_the_expectation_of_a_proposal_are_edited_beside_its_values(project: RecordedProject) -> None:
    add(project, reason="OT mass near zero", expects=Expectation(metric="eval/offline_eval/avg_l1", direction="lower"))

    async with console(project, (120, 40)) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        shown = "\n".join(painted(app.screen.query_one("#values")))
        assert "OT mass near zero" in shown
        assert "eval_l1 lower" in shown
        await pilot.press("down", "down")
        await type_over(pilot, app, "to be sure")
        await pilot.press("enter")
        await settle(pilot)
        unchanged = ["ot.loss_config.reg@set=0.16"]
        assert project.commands() == [Edit(proposal=1, edits=unchanged, reason="to be sure")]
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("down", "down", "down")
        await type_over(pilot, app, "evl_l1 lower")
        assert "did you mean" in verdict(app)
        await type_over(pilot, app, "")
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert project.commands()[1:] == [Edit(proposal=1, edits=unchanged, expect="")]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lots", "from a number into a text; give a value of the same kind"),
        ("", 'has no value after "="'),
        ("1e999", "is too large for a number"),
        ("0.1", "ot.loss_config.reg already has this value (0.1)"),
        ("0.3", "This config has already been run: run run00002 (twin) of loop_1700000000."),
        ("0.4", "This config has already been run: proposal 2 of this round."),
    ],
)
async def test_a_value_that_the_engine_would_refuse_is_told_while_one_types_and_is_not_sent(
    project: RecordedProject, typed: Any, said: Any
) -> None:
    config = json.loads(json.dumps(CONFIG))
    config["ot"]["loss_config"]["reg"] = 0.3
    project.run("twin", config=config)
    add(project)
    config["ot"]["loss_config"]["reg"] = 0.4
    add(project, config_hash=project.hash_of(config))

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        await type_over(pilot, app, typed)
        assert said in verdict(app)
        await pilot.press("enter")
        assert isinstance(app.screen, EditTable)
        await type_over(pilot, app, "0.5")
        assert "✓ this can run" in verdict(app)
        await pilot.press("escape", "y")
        assert project.commands() == []


async def test_an_edit_that_changes_nothing_sends_nothing(project: RecordedProject) -> None:
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert last_line(app) == "proposal 1 is unchanged"
        assert project.commands() == []


async def test_a_blocked_proposal_without_changes_is_edited_as_it_was_written(project: RecordedProject) -> None:
    add(project, (), edits=["btch_size@mul=2"], status=ProposalStatus.BLOCKED, blocked="matches nothing")

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        assert isinstance(app.screen, EditTable)
        assert 'The edit "btch_size@mul=2" matches nothing' in verdict(app)
        await pilot.press("ctrl+x", *"batch_size@mul=2", "enter")
        on_top(app, EditTable).verdict()
        await settle(pilot)
        assert "batch_size 16 → 32" in verdict(app)
        await pilot.press("enter")
        await settle(pilot)
        assert project.commands() == [Edit(proposal=1, edits=["batch_size@mul=2"])]


async def test_a_base_that_cannot_be_read_is_said(project: RecordedProject) -> None:
    add(project)
    (project.store.places.config(base_of(project).id)).unlink()

    async with console(project, (120, 40)) as (pilot, app):
        await pilot.press("e")
        assert "The frozen config of run run00001 cannot be read" in last_line(app)


async def test_a_new_proposal_is_written_from_a_run_that_is_chosen(project: RecordedProject) -> None:
    project.run("other")

    async with console(project) as (pilot, app):
        await pilot.press("v")
        await settle(pilot)
        assert isinstance(app.screen, PickRun)
        await pilot.press("j", "k", "G", "g", "j", "enter")
        await settle(pilot)
        dialog = on_top(app, EditTable)
        assert "other (run00002)" in dialog.what
        assert "no changes yet: add a path" in verdict(app)
        # A path is completed, with its type and current value, which is then the initial value of the row.
        await pilot.press(*"batch_s")
        dialog.verdict()
        await settle(pilot)
        assert "batch_size whole number, 16" in verdict(app)
        await pilot.press("tab", "enter")
        await settle(pilot)
        assert "batch_size: type the new value" in verdict(app)
        await pilot.press(*"lots")
        dialog.verdict()
        await settle(pilot)
        assert "from a number into a text; give a value of the same kind" in verdict(app)
        await type_over(pilot, app, "24.2")
        assert "24.2 was rounded to 24" in verdict(app)
        await type_over(pilot, app, "24")
        # Several edits at once, and an intentional new key.
        await pilot.press("enter", *"batch_siz=1 policy.tags=[1, 2]")
        dialog.verdict()
        await settle(pilot)
        assert "to create the new one, write batch_siz@new=1." in verdict(app)
        await type_over(pilot, app, "batch_siz@new=1 policy.tags=[1, 2]")
        assert "batch_siz is a new key (the nearest existing one is batch_size)" in verdict(app)
        await type_over(pilot, app, "")
        await pilot.press("enter", *"bigger", "enter", *"l1_loss down")
        dialog.verdict()
        await settle(pilot)
        assert '"l1_loss down" is not an expectation' in verdict(app)
        await type_over(pilot, app, "l1_loss lower")
        await pilot.press("enter", *"l1_loss.last >")
        dialog.verdict()
        await settle(pilot)
        assert "The kill criterion is invalid: " in verdict(app)
        await type_over(pilot, app, "steps > 500")
        await pilot.press("enter")
        await settle(pilot)
        variant = Variant(edits=["batch_size@set=24"], reason="bigger", expect="l1_loss lower", kill_criterion="steps > 500")
        assert project.commands() == [Propose(run="run00002", variants=[variant])]


async def test_a_duplicate_must_be_changed_before_it_can_be_sent_and_is_not_lost_by_escape(project: RecordedProject) -> None:
    config = {**CONFIG, "batch_size": 24}
    add(project, (BATCH,), config_hash=project.hash_of(config), reason="bigger")

    async with console(project) as (pilot, app):
        await pilot.press("D")
        await settle(pilot)
        dialog = on_top(app, EditTable)
        assert "This config has already been run: proposal 1 of this round." in verdict(app)
        await pilot.press("ctrl+s")
        assert app.screen is dialog
        await pilot.press("down", *"seed=7", "escape")
        assert on_top(app, Confirm).what == "Discard what you typed?"
        await pilot.press("n")
        assert app.screen is dialog
        await pilot.press("ctrl+s")
        await settle(pilot)
        variant = Variant(edits=["batch_size@set=24", "seed@set=7"], reason="bigger")
        assert project.commands() == [Propose(run="run00001", variants=[variant])]


async def test_a_table_that_was_changed_is_left_after_a_question(project: RecordedProject) -> None:
    add(project, (REG, BATCH))

    async with console(project, (60, 20)) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        assert any("batch_size" in row for row in painted(app.screen.query_one("#values")))
        await pilot.press("ctrl+x", "escape", "y")
        await settle(pilot)
        assert last_line(app) == "proposal 1 is unchanged"
        assert project.commands() == []


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Use a script as $EDITOR. The terminal of a test cannot be suspended, so that step is skipped."""
    monkeypatch.delenv("VISUAL", raising=False)

    def make(body: Any) -> Any:
        path = tmp_path / "editor with space"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", f"'{path}' --wait")
        monkeypatch.setattr("autoloop_tui.console.app.ConsoleApp.suspend", lambda app: contextlib.nullcontext())
        return path

    return make


async def test_all_edits_are_written_in_the_persons_editor(project: RecordedProject, editor: Any, tmp_path: Path) -> None:
    editor(f'cp "$2" "{tmp_path}/seen"; echo "seed=7" >> "$2"')
    add(project, (REG, BATCH), reason="why\nnot", edits=["*.reg@mul=1.6"])

    async with console(project) as (pilot, _):
        await pilot.press("E")
        await settle(pilot)
        sent = ["ot.loss_config.reg@set=0.16", "batch_size@set=24", "seed=7"]
        assert project.commands() == [Edit(proposal=1, edits=sent)]
        seen = (tmp_path / "seen").read_text()
        assert edits_of_file(seen) == sent[:2]
        assert "# ot.loss_config.reg is 0.1 now" in seen
        assert "# As written: *.reg@mul=1.6" in seen


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("true", "proposal 1 is unchanged"),
        (': > "$2"', "proposal 1 is unchanged"),
        ("exit 3", "exited with code 3, so nothing was sent."),
        ('rm "$2"', "cannot be read as UTF-8 text, so nothing was sent."),
    ],
)
async def test_an_editor_that_leaves_nothing_usable_sends_nothing(
    project: RecordedProject, editor: Any, body: Any, said: Any
) -> None:
    editor(body)
    add(project)

    async with console(project, (200, 50)) as (pilot, app):
        await pilot.press("E")
        assert said in last_line(app)
        assert project.commands() == []


async def test_edits_that_cannot_be_used_can_be_opened_again_as_they_were_left(
    project: RecordedProject, editor: Any, tmp_path: Path
) -> None:
    path = editor('echo "batch_size=many" > "$2"')
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("E")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        assert "from a number into a text" in app.screen.why
        path.write_text('#!/bin/sh\nsed -i s/many/12/ "$2"\n')
        await pilot.press("y")
        await settle(pilot)
        assert project.commands() == [Edit(proposal=1, edits=["batch_size=12"])]


async def test_a_terminal_that_cannot_be_left_says_so(project: RecordedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("E")
        assert "An editor cannot be opened from this terminal" in last_line(app)


def test_the_edits_of_a_proposal_give_what_is_shown(project: RecordedProject) -> None:
    shown = add(project, (REG, Change(path=r"a\.b", before=None, after="ü", created=True)), edits=["*@mul=2"])
    assert edit_lines(shown) == ["ot.loss_config.reg@set=0.16", r'a\.b@new="ü"']
