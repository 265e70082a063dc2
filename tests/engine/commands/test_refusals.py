"""Commands that cannot be carried out get a sentence as answer and change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.model import ProposalStatus, UserError
from autoloop.protocol import Approve, Edit, Propose, Reject, Request, Start, Undo, Variant

from tests.engine.project import EngineProject
from tests.support.senders import person


def test_an_edit_that_matches_nothing_is_refused_and_the_proposal_stays_as_it_was(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (before,) = engine.waiting()
        assert "lrr" in engine.refused(Edit(proposal=before.id, edits=["lrr@mul=2"]))
        without_effect = ["lr=1.0"]
        wrong = [["lr@pow=2"], ["lr"], [], without_effect, ["lr@mul=2", "no.such@add=1"]]
        engine.refused_all([Edit(proposal=before.id, edits=edits) for edits in wrong])
        engine.rows_refused([("edit", {"proposal": before.id, "edits": edits}) for edits in ("lr=2", [2], None)])
        assert project.store.proposal(before.id) == before
        engine.leave()


def test_commands_about_what_is_not_there_are_refused_in_a_sentence(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        before = engine.waiting()
        numbers: list[Any] = [99, "1", -1, 2**70, None, [1]]
        proposals = [(kind, {"proposal": n}) for kind in ("approve", "reject", "undo", "edit") for n in numbers]
        runs = [(kind, {"run": name}) for kind in ("stop", "kill", "retry", "move") for name in ("nobody", 7, "")]
        engine.rows_refused([*proposals, *runs, ("approve", {}), ("launch the rocket", {})])
        assert project.proposals(loop) == before
        engine.leave()


ODD_EDITS = [
    "lr=" + "[" * 5000,
    "lr=" + '{"a":' * 500 + "1" + "}" * 500,
    "lr=" + "9" * 5000,
    "a" * 100_000,
    *("lr=1e999", "lr=18446744073709551616", "lr=NaN", "lr@mul=1e308", "lr@mul=-1e308", "lr=", "lr=\x00", "lr=\x1b[2J"),
    *("\x00", ".=1", "*=1", "rows.*=1", "rows.99=1", "a.b.c=1", "lr.x=1", "=", "@=", "lr@@=1", "seed@add=0.5", "é.ü=ß"),
]


def test_whatever_is_written_as_an_edit_gets_an_answer_and_what_is_accepted_can_be_run(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", concurrency=2)
    with project.driven(loop) as engine:
        engine.waiting()
        answers = engine.ask_all([Propose(run="a", variants=[Variant(edits=[text])]) for text in ODD_EDITS])
        assert all(answer.answer for answer in answers)
        accepted = [p.id for p in project.proposals(loop) if p.author.name == "ada"]
        assert len(accepted) == sum(answer.ok is True for answer in answers)
        engine.ask_all([Approve(proposals=[number]) for number in accepted])
        engine.done(Start())
        engine.end()
    assert len(project.runs(loop, 2)) == len(accepted)
    assert "## loop_" in (project.folder / "reports" / "report.md").read_text()


def test_what_is_of_a_round_that_is_over_is_decided_no_more(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=3, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (rejected,) = engine.waiting()
        engine.done(Propose(run="a", variants=[Variant(edits=[f"lr@mul={factor}"]) for factor in (3, 4)]))
        approved, pending = (each for each in project.proposals(loop) if each.id != rejected.id)
        engine.done(Reject(proposals=[rejected.id]))
        engine.done(Approve(proposals=[approved.id]))
        engine.done(Start())
        engine.until(lambda: project.runs(loop, 2), "round 2 has started")
        for number, status in ((rejected.id, ProposalStatus.REJECTED), (pending.id, ProposalStatus.LAPSED)):
            late: list[Request] = [
                Approve(proposals=[number]),
                Undo(proposals=[number]),
                Edit(proposal=number, edits=["lr=0.5"]),
            ]
            for request in late:
                said = f"({status.value}) is of round 1, and round 2 has started; propose its edits again"
                assert said in engine.refused(request)
            assert project.store.proposal(number).status is status
        assert "has become run" in engine.refused(Reject(proposals=[approved.id]))
        engine.leave()


def test_text_that_is_no_unicode_is_refused_where_it_is_sent(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    with pytest.raises(UserError, match="UTF-8"):
        project.store.send(
            loop.id, Propose(run="a", variants=[Variant(edits=["lr=\udcff"])]), person("ada")
        )  # as from a shell's $'\xff'
    assert project.store.open_commands(loop.id) == []
