"""Live rules that ask first, and what can happen to a loop while they act."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.model import Actor, LapseKind, Loop, LoopState, ProposalStatus, RunState
from autoloop.protocol import Approve, Edit, Hold, Pause, Reject, Resume, Retry, Stop

from tests.engine.processes import seen, states
from tests.engine.project import EngineProject
from tests.engine.rounds.live_rules import BAD, HEALS, STOPS, begin, live, one
from tests.support.senders import person

ASKS = HEALS + "ask = true\n"


def test_a_rule_that_asks_waits_for_a_person_while_the_run_goes_on(project: EngineProject) -> None:
    loop = begin(project, ASKS)
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        assert states(project.runs(loop)) == [RunState.RUNNING]
        (question,) = project.story(loop, "asked")
        assert f"autoloop-tui approve {asked.id}" in question
        assert "l1_loss.last = 7 > 5" in question
        assert "relaunch it with lr 1 → 2" in engine.done(Approve(proposals=[asked.id]))
        assert engine.end().state is LoopState.FINISHED
    base, successor = project.runs(loop)
    assert states([base, successor]) == [RunState.STOPPED, RunState.FINISHED]
    decided = project.store.proposal(asked.id)
    assert (decided.status, decided.decided_by, decided.run) == (ProposalStatus.LAUNCHED, Actor.person("ada"), successor.id)
    assert len(live(project, loop)) == 1


def test_a_rejected_question_is_not_asked_again_and_the_run_finishes(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = begin(project, ASKS, hang=False, gate=str(gate))
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        engine.done(Reject(proposals=[asked.id]))
        gate.touch()
        engine.end()
        assert "only while it trained" in refused_later(project, loop, asked.id)
    assert states(project.runs(loop)) == [RunState.FINISHED]
    assert [proposal.status for proposal in live(project, loop)] == [ProposalStatus.REJECTED]


def refused_later(project: EngineProject, loop: Loop, proposal: int) -> str:
    """Return the answer to an approval sent after the loop has finished, given by a new engine."""
    number = project.store.send(loop.id, Approve(proposals=[proposal]), person("ada"))
    project.run(loop)
    command = project.store.command(number)
    assert command.ok is False
    return command.answer or ""


def test_a_question_lapses_when_the_run_ends_first(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = begin(project, ASKS, hang=False, gate=str(gate))
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        gate.touch()
        engine.end()
    lapsed = project.store.proposal(asked.id)
    assert (lapsed.status, lapsed.lapsed) == (ProposalStatus.LAPSED, LapseKind.RUN_ENDED)
    assert states(project.runs(loop)) == [RunState.FINISHED]
    assert any(" lapsed: " in line for line in project.story(loop, "live rule"))


def test_a_question_can_be_answered_with_other_edits(project: EngineProject) -> None:
    loop = begin(project, ASKS)
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        engine.done(Edit(proposal=asked.id, edits=["lr@set=7", "hang@set=false"]))
        engine.done(Approve(proposals=[asked.id]))
        engine.end()
    assert seen(project.runs(loop)[1])["config"]["lr"] == 7


@pytest.mark.parametrize(
    ("condition", "behaviour", "said"),
    [
        ('diverged("l1_loss")', {"rows": [*BAD, {"_step": 4, "train/l1_loss": "NaN"}]}, 'diverged("l1_loss")'),
        ('log_matches("(?i)sinkhorn.*warn")', {"prints": "Sinkhorn: a WARNING"}, 'its log says "Sinkhorn: a WARNING"'),
    ],
)
def test_a_loss_that_is_no_number_and_a_line_of_the_log_are_seen(
    project: EngineProject, condition: str, behaviour: dict[str, Any], said: str
) -> None:
    loop = begin(project, STOPS.replace('"l1_loss.last > 5"', f"'{condition}'"), **behaviour)
    project.run(loop)
    (run,) = project.runs(loop)
    assert run.state is RunState.STOPPED
    assert said in (run.reason or "")


def test_a_key_in_the_line_that_a_rule_found_is_not_told(project: EngineProject, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "0123456789abcdef" * 3
    monkeypatch.setenv("WANDB_API_KEY", key)
    book = STOPS.replace('"l1_loss.last > 5"', "'log_matches(\"(?i)warning\")'")
    loop = begin(project, book, prints=f"a WARNING: the key {key} is old")
    project.run(loop)
    (run,) = project.runs(loop)
    assert 'its log says "a WARNING: the key *** is old"' in (run.reason or "")
    assert not any(key in text for text in project.story(loop))
    assert key not in repr(project.proposals(loop))


def test_a_live_stopped_run_that_is_retried_is_not_stopped_again(project: EngineProject) -> None:
    other = project.gate("other")
    configs = [project.config("a", rows=BAD, hang=True), project.config("b", gate=str(other))]
    loop = project.loop(configs, steps=100, rules=project.rules(STOPS), live=True, concurrency=2)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.STOPPED, "the stop")
        engine.done(Retry(run="a"))
        engine.until(lambda: project.named(loop, "a").step == 3, "its second attempt")
        engine.until(lambda: project.named(loop, "a").state is RunState.RUNNING, "its second attempt")
        # The engine reads the run in each turn; this command is answered after a turn that saw the new rows.
        engine.done(Hold(held=False))
        engine.done(Stop(run="a"))
        other.touch()
        engine.end()
    assert len(live(project, loop)) == 1
    assert "stopped by ada" in (project.named(loop, "a").reason or "")


def test_a_paused_loop_keeps_the_slot_and_relaunches_when_it_goes_on(project: EngineProject) -> None:
    loop = begin(project, ASKS, "a", "b", concurrency=1)
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        engine.done(Pause())
        engine.done(Approve(proposals=[asked.id]))
        successor = engine.until(lambda: next((r for r in project.runs(loop) if r.name == "a_live1"), None), "the successor")
        assert (successor.state, successor.slot) == (RunState.QUEUED, 0)
        engine.done(Resume())
        engine.until(lambda: project.named(loop, "a_live1").state is RunState.FINISHED, "its end")
        second = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the second question")
        engine.done(Approve(proposals=[second.id]))
        engine.end()
    assert states(project.runs(loop)) == [RunState.STOPPED] * 2 + [RunState.FINISHED] * 2


def test_a_loop_that_is_stopped_while_a_rule_stops_a_run_relaunches_it_on_resume(project: EngineProject) -> None:
    loop = begin(project, HEALS, stubborn=True)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.STOPPING, "the stop")
        project.store.send(loop.id, Stop(), person("ada"))
        engine.end()
    assert project.state(loop).state is LoopState.STOPPED
    assert states(project.runs(loop)) == [RunState.STOPPED, RunState.QUEUED]
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.STOPPED, RunState.FINISHED]


def test_a_rule_that_had_no_point_to_judge_is_told_of_at_the_end_of_the_run(project: EngineProject) -> None:
    book = STOPS.replace('scope = "live"', 'scope = "live"\nbetween = [40, 60]')
    loop = begin(project, book, hang=False)
    project.run(loop)
    (said,) = [text for text in project.story(loop, "note") if "had no data there" in text]
    assert "live rule hopeless judges at steps 40–60" in said
