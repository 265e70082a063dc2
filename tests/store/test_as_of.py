"""A loop as it was at earlier times."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.as_of import LoopHistory, as_of, shifted
from autoloop.model import (
    Delivery,
    EventKind,
    HookEvent,
    LoopEnd,
    LoopEndKind,
    LoopState,
    Message,
    ProposalStatus,
    Round,
    RoundState,
    Run,
    RunState,
)
from autoloop.store import Snapshot, take_snapshot

from tests.console.projects import RecordedProject

START = 1_000_000.0


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RecordedProject, LoopHistory]:
    """Round 1: one run from 10 to 110, and one that failed at 60, was tried again at 70 and ended at 150. Its proposal of
    160 was approved at 170 and ran in round 2 from 200 to 300."""
    project = RecordedProject(tmp_path, slots=2)
    loop = project.loop.id
    at = START.__add__
    ended = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all 2 rounds are done")
    project.change_loop(created_at=at(0), state=LoopState.FINISHED, ended_at=at(310), end=ended, paused=True)
    for number, begin, end in ((1, 0, 190), (2, 190, 305)):
        round_ = Round(loop=loop, number=number, state=RoundState.DONE, started_at=at(begin), ended_at=at(end))
        project.store.put_round(round_)

    def times(begin: float, end: float) -> Any:
        return {"created_at": at(begin), "started_at": at(begin), "ended_at": at(end)}

    def made_at(run: Run, when: float) -> Run:
        run = msgspec.structs.replace(run, created_at=at(when))
        project.store.put_run(run)
        return run

    base = project.run("base", started_at=at(10), ended_at=at(110), attempt=times(10, 110))
    twice = project.run("twice", started_at=at(70), ended_at=at(150), attempts=2, attempt=times(70, 150))
    base, twice = made_at(base, 1), made_at(twice, 1)
    project.attempt(twice, number=1, result=RunState.FAILED, cause="out of memory", **times(10, 60))
    project.attempt(twice, number=2, slot=1, **times(70, 150))
    made = project.run("variant", round=2, base=base, started_at=at(200), ended_at=at(300))
    made = made_at(made, 190)
    project.attempt(made, **times(200, 300))
    project.proposal(base, created_at=at(160), decided_at=at(170), status=ProposalStatus.LAUNCHED, run=made.id)
    project.proposal(base, created_at=at(160), status=ProposalStatus.LAPSED)
    for when, kind, run in ((70, EventKind.RUN_RETRIED, twice.id), (310, EventKind.LOOP_ENDED, None)):
        monkeypatch.setattr("autoloop.store.database.time.time", partial(at, when))
        project.store.add_event(loop, kind, "it happened", run)
    return project, LoopHistory.read(project.store, loop)


def states(snapshot: Snapshot) -> dict[str, str]:
    return {run.name: run.state.value for run in snapshot.runs}


@pytest.mark.parametrize(
    ("after", "runs", "rounds", "proposals"),
    [
        (0.5, {}, ["running"], []),
        (5, {"base": "queued", "twice": "queued"}, ["running"], []),
        (20, {"base": "running", "twice": "running"}, ["running"], []),
        (65, {"base": "running", "twice": "failed"}, ["running"], []),
        (75, {"base": "running", "twice": "running"}, ["running"], []),
        (120, {"base": "finished", "twice": "running"}, ["running"], []),
        (165, {"base": "finished", "twice": "finished"}, ["deciding"], ["pending", "pending"]),
        (180, {"base": "finished", "twice": "finished"}, ["deciding"], ["approved", "pending"]),
        (195, {"base": "finished", "twice": "finished", "variant": "queued"}, ["done", "running"], ["launched", "lapsed"]),
        (250, {"base": "finished", "twice": "finished", "variant": "running"}, ["done", "running"], ["launched", "lapsed"]),
    ],
)
def test_everything_stands_as_it_did(
    past: tuple[RecordedProject, LoopHistory], after: float, runs: dict[str, str], rounds: list[str], proposals: list[str]
) -> None:
    snapshot = past[1].as_of(START + after)
    assert states(snapshot) == runs
    assert [each.state.value for each in snapshot.rounds] == rounds
    assert [each.status.value for each in snapshot.proposals] == proposals
    assert (snapshot.loop.state, snapshot.loop.end, snapshot.loop.paused) == (LoopState.ACTIVE, None, False)


def test_a_running_run_has_its_slot_a_step_between_and_no_result(past: tuple[RecordedProject, LoopHistory]) -> None:
    project, read = past
    (run,) = [run for run in read.as_of(START + 110).runs if run.name == "twice"]
    assert (run.step, run.slot, run.summary, run.ended_at, run.attempts) == (100, 1, None, None, 2)
    assert read.as_of(START + 110).attempts[run.id].result is None
    (failed,) = [run for run in read.as_of(START + 65).runs if run.name == "twice"]
    assert (failed.reason, failed.attempts) == ("out of memory", 1)
    whole = take_snapshot(project.store, project.loop.id)
    assert as_of(project.store, project.loop.id, START + 400) == whole
    moved = shifted(read.as_of(START + 110), 50)
    assert [run.started_at for run in moved.runs] == [START + 60, START + 120]
    message = Message(id="1", event=HookEvent.RUN_FAILED, at=START, text="x")
    tried = Delivery(id=1, loop=project.loop.id, hook="phone", message=message, tried_at=START)
    (delivery,) = shifted(msgspec.structs.replace(whole, deliveries=[tried]), 50).deliveries
    assert (delivery.tried_at, delivery.next_at) == (START + 50, 0)
    assert (read.next_event(START + 71), read.previous_event(START + 71)) == (START + 310, START + 70)
    assert (read.next_event(START + 310), read.previous_event(START)) == (START + 310, START)
