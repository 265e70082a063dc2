"""A rule that requests a rejected variant again is heard only if the basis of its request has changed."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.engine.rounds.rejections import what_changed
from autoloop.model import Actor, Call, Change, EventKind, Evidence, Loop, Observation, Proposal, ProposalStatus
from autoloop.protocol import Approve, Reject, Undo

from tests.engine.project import EngineProject

BOOK = """
name = "test"
version = "1"
[[rule]]
id = "too-high"
when = "l1_loss.last > 0"
reason = "the loss is high"
changes = ["lr@mul=2"]
[[rule]]
id = "other"
when = "steps > 0"
reason = "try another"
changes = ["{edit}"]
"""


def looped(project: EngineProject, edit: str, rounds: int = 3) -> Loop:
    rules = project.rules(BOOK.replace("{edit}", edit))
    return project.loop([project.config("a", size=1)], rounds=rounds, decide=True, approve="manual", rules=rules)


def of_rule(project: EngineProject, loop: Loop, rule: str, round_: int) -> list[Proposal]:
    return [each for each in project.proposals(loop) if each.origin == rule and each.round == round_]


def rejected_in_the_first_round(project: EngineProject, loop: Loop, *, taken_back: bool = False) -> None:
    """Reject the proposal of too-high, approve the other one, and drive the loop until round 2 has been judged."""
    with project.driven(loop) as engine:
        engine.until(lambda: len(project.proposals(loop)) == 2, "the proposals of round 1")
        (asked,), (other,) = (of_rule(project, loop, name, 1) for name in ("too-high", "other"))
        engine.done(Reject(proposals=[asked.id], note="not now"))
        if taken_back:
            engine.done(Undo(proposals=[asked.id]))
            engine.done(Approve(proposals=[asked.id]))
        engine.done(Approve(proposals=[other.id]))
        engine.until(lambda: of_rule(project, loop, "other", 2), "the proposals of round 2")


def test_it_is_not_offered_again_while_nothing_has_changed_and_a_note_says_so(project: EngineProject) -> None:
    loop = looped(project, "size@add=1")
    rejected_in_the_first_round(project, loop)
    assert of_rule(project, loop, "too-high", 2) == []
    notes = project.story(loop, EventKind.NOTE)
    assert any("not offered again: rejected in round 1 (not now), nothing has changed" in text for text in notes)


def test_it_is_offered_again_where_the_setting_that_it_edits_is_another(project: EngineProject) -> None:
    loop = looped(project, "lr=3")
    rejected_in_the_first_round(project, loop)
    (again,) = of_rule(project, loop, "too-high", 2)
    assert again.status is ProposalStatus.PENDING
    assert again.reason == "the loss is high; rejected in round 1 (not now), but lr was 1, now 3"


def test_a_rejection_that_was_taken_back_does_not_count(project: EngineProject) -> None:
    loop = looped(project, "size@add=1")
    rejected_in_the_first_round(project, loop, taken_back=True)
    assert len(of_rule(project, loop, "too-high", 2)) == 2  # from both variants


def proposal(value: Any = 0.31, *, lr: float = 1.0, standing: Call | None = None, **seen: Any) -> Proposal:
    values: dict[str, Any] = {
        "name": "ot_pi_sum.last",
        "op": ">",
        "threshold": 0.3,
        "holds": True,
        "metric": "train/ot_pi_sum",
    } | seen
    evidence = Evidence(rule="r", rule_version="1", when="", observations=[Observation(value=value, **values)])
    changes = [Change(path="lr", before=lr, after=2 * lr)]
    return Proposal(
        id=1, loop=1, round=1, base_run="a", author=Actor.rule("r"), reason="", edits=["lr@mul=2"], changes=changes,
        evidence=evidence, standing=standing,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (proposal(), proposal(), None),
        (proposal(noise=0.1), proposal(0.5, noise=0.05), None),
        (proposal(noise=0.1), proposal(0.52, noise=0.05), "ot_pi_sum.last was 0.31, now 0.52"),
        (proposal(), proposal(0.33), None),
        (proposal(), proposal(0.35), "ot_pi_sum.last was 0.31, now 0.35"),
        (proposal(3, name="ot_pi_sum.n"), proposal(300, name="ot_pi_sum.n"), None),
        (proposal(), proposal(lr=4.0), "lr was 1, now 4"),
        (proposal(), proposal(standing=Call.NOT_ENOUGH), None),
        (proposal(standing=Call.NOT_ENOUGH), proposal(standing=Call.BETTER), "its base was not enough runs, now better"),
        (proposal(standing=Call.BETTER), proposal(standing=Call.BETTER), None),
    ],
)
def test_what_counts_as_changed(before: Proposal, now: Proposal, expected: str | None) -> None:
    assert what_changed(before, now) == expected
