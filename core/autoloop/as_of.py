"""The state of a loop at an earlier instant, reconstructed from what the store keeps with a time. No I/O.

Exact: which rounds, runs, attempts and proposals existed; which runs were queued, which ran in which slot, and which had
ended and how; which proposals were decided. The rest is not stored with a time, so it is approximate: pauses, holds and
slot waits are not shown; a run's step is assumed to rise evenly over its last attempt; an edited proposal shows its last
edits from the start, and a changed decision shows only as its last version; the queue has its last order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from autoloop.model import (
    Attempt,
    Delivery,
    Event,
    EventKind,
    Loop,
    LoopState,
    Proposal,
    ProposalStatus,
    Round,
    RoundState,
    Run,
    RunState,
)
from autoloop.store import Snapshot, Store, take_snapshot

Row = TypeVar("Row", Loop, Round, Run, Attempt, Proposal, Delivery)

AGAIN = (EventKind.RUN_RETRIED, EventKind.RUN_EXTENDED)


class LoopHistory:
    """A loop's rows and events, read from the store once; `as_of` reconstructs any instant from them."""

    def __init__(self, snapshot: Snapshot, attempts: Sequence[Attempt], events: Sequence[Event]) -> None:
        self.snapshot = snapshot
        self._attempts: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            self._attempts[attempt.run].append(attempt)
        self._events: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            if event.run is not None and event.kind in (*AGAIN, EventKind.RUN_STOPPING):
                self._events[event.run].append(event)
        self.times = sorted({event.at for event in events} | {snapshot.loop.created_at})
        """The times of all events, in ascending order."""

    @classmethod
    def read(cls, store: Store, loop: int) -> LoopHistory:
        with store.reading():
            events, last = list[Event](), 0
            while page := store.events(loop, last):
                events, last = events + page, page[-1].id
            return cls(take_snapshot(store, loop), store.loop_attempts(loop), events)

    @property
    def begin(self) -> float:
        return self.snapshot.loop.created_at

    @property
    def end(self) -> float:
        return max(self.times[-1], self.snapshot.loop.ended_at or 0.0)

    def next_event(self, at: float) -> float:
        """The time of the next event after `at`; the loop's end if there is none."""
        place = bisect_right(self.times, at)
        return self.times[place] if place < len(self.times) else self.end

    def previous_event(self, at: float) -> float:
        place = bisect_left(self.times, at)
        return self.times[place - 1] if place else self.begin

    def as_of(self, at: float) -> Snapshot:
        """The loop's state at `at` (Unix seconds)."""
        last = self.snapshot
        if at >= self.end:
            return last
        attempts = {run: made for run, each in self._attempts.items() if (made := [a for a in each if a.created_at <= at])}
        runs = [self._run(run, attempts.get(run.id, []), at) for run in last.runs if run.created_at <= at]
        there = {run.id: run for run in runs}
        return Snapshot(
            loop=self._loop(last.loop, at),
            rounds=[self._round(each, runs, at) for each in last.rounds if each.started_at <= at],
            runs=runs,
            attempts={run: _attempt(made[-1], at) for run, made in attempts.items() if run in there},
            proposals=[self._proposal(each, there, at) for each in last.proposals if each.created_at <= at],
            elsewhere=[run for run in last.elsewhere if (run.ended_at or 0.0) <= at],
            notes=[note for note in last.notes if note.at <= at],
        )

    def _loop(self, loop: Loop, at: float) -> Loop:
        if loop.ended_at is not None and loop.ended_at <= at:
            return loop
        return msgspec.structs.replace(
            loop,
            state=LoopState.ACTIVE,
            ended_at=None,
            end=None,
            paused=False,
            held=False,
            agents_held=None,
            waits_for=None,
            slot_waits={},
            unreachable={},
            winner=None,
            best=None,
            outcome=None,
        )

    def _round(self, round_: Round, runs: Sequence[Run], at: float) -> Round:
        if round_.ended_at is not None and round_.ended_at <= at:
            return round_
        mine = [run for run in runs if run.round == round_.number]
        over = bool(mine) and all(run.state.ended for run in mine)
        state = RoundState.DECIDING if over and round_.state is not RoundState.RUNNING else RoundState.RUNNING
        return msgspec.structs.replace(round_, state=state, ended_at=None, decide_by=None, start_at=None, start_asked=False)

    def _run(self, run: Run, made: Sequence[Attempt], at: float) -> Run:
        newest = made[-1] if made else None
        over = newest is not None and newest.ended_at is not None and newest.ended_at <= at
        if newest is None:
            return _unstarted(run, attempts=0)
        if over and newest.number == run.attempts and run.state.ended:
            return run
        if over:
            again = any(
                each.kind in AGAIN and (newest.ended_at or 0.0) <= each.at <= at for each in self._events.get(run.id, ())
            )
            if again or newest.result is None:
                return _unstarted(run, attempts=newest.number)
            return msgspec.structs.replace(
                run,
                state=newest.result,
                reason=newest.cause,
                slot=None,
                attempts=newest.number,
                output_dir=newest.output_dir,
                summary=newest.summary,
                started_at=newest.started_at,
                ended_at=newest.ended_at,
            )
        since = newest.started_at or newest.created_at
        stopping = any(
            each.kind is EventKind.RUN_STOPPING and since <= each.at <= at for each in self._events.get(run.id, ())
        )
        return msgspec.structs.replace(
            run,
            state=RunState.STOPPING if stopping else RunState.RUNNING,
            reason=None,
            slot=newest.slot,
            attempts=newest.number,
            output_dir=newest.output_dir,
            step=step_at(run, newest, at),
            summary=None,
            unjudged=None,
            halved=None,
            started_at=since,
            ended_at=None,
        )

    def _proposal(self, proposal: Proposal, runs: dict[str, Run], at: float) -> Proposal:
        status = proposal.status
        if status in (ProposalStatus.LAUNCHED, ProposalStatus.DONE) and (proposal.run is None or proposal.run in runs):
            decided = proposal.decided_at is None or proposal.decided_at <= at
            return proposal if decided else msgspec.structs.replace(proposal, **UNDECIDED)
        if proposal.decided_at is not None and proposal.decided_at <= at:
            if status in (ProposalStatus.LAUNCHED, ProposalStatus.DONE):
                return msgspec.structs.replace(proposal, status=ProposalStatus.APPROVED, run=None)
            return proposal
        if status is ProposalStatus.BLOCKED or (status is ProposalStatus.SKIPPED and proposal.decided_at is None):
            return proposal
        ended = next((r.ended_at for r in self.snapshot.rounds if r.number == proposal.round), None)
        if status is ProposalStatus.LAPSED and ended is not None and ended <= at:
            return proposal
        return msgspec.structs.replace(proposal, **UNDECIDED)


UNDECIDED: dict[str, Any] = {
    "status": ProposalStatus.PENDING,
    "decided_at": None,
    "decided_by": None,
    "decision": None,
    "run": None,
    "lapsed": None,
    "note": None,
}


def as_of(store: Store, loop: int, at: float) -> Snapshot:
    """The loop's state at `at`. For many instants of one loop, keep a `LoopHistory`."""
    return LoopHistory.read(store, loop).as_of(at)


def step_at(run: Run, attempt: Attempt, at: float) -> int:
    """The step of a run at an instant of `attempt`, assuming a constant rate. The step that an earlier attempt reached is
    taken from its summary."""
    since = attempt.started_at or attempt.created_at
    reached = run.step
    if attempt.number != run.attempts:
        reached = max((each.last_step for each in attempt.summary.metrics.values()), default=0) if attempt.summary else 0
    if attempt.ended_at is None or attempt.ended_at <= since:
        return reached
    return int(reached * min(1.0, max(0.0, (at - since) / (attempt.ended_at - since))))


TIMES = ("created_at", "started_at", "ended_at", "decided_at", "deadline", "resumed_at", "tried_at", "next_at")


def shifted(snapshot: Snapshot, seconds: float) -> Snapshot:
    """The snapshot with every time moved by `seconds`, for clients that compare times with their own clock."""
    return Snapshot(
        loop=_moved(snapshot.loop, seconds),
        rounds=[_moved(each, seconds) for each in snapshot.rounds],
        runs=[_moved(each, seconds) for each in snapshot.runs],
        attempts={run: _moved(each, seconds) for run, each in snapshot.attempts.items()},
        proposals=[_moved(each, seconds) for each in snapshot.proposals],
        elsewhere=snapshot.elsewhere,
        notes=[msgspec.structs.replace(note, at=note.at + seconds) for note in snapshot.notes],
        deliveries=[_moved(each, seconds) for each in snapshot.deliveries],
        left_out=snapshot.left_out,
    )


def _moved(row: Row, seconds: float) -> Row:
    times = {name: at + seconds for name in TIMES if (at := getattr(row, name, None))}
    return msgspec.structs.replace(row, **times)


def _attempt(attempt: Attempt, at: float) -> Attempt:
    if attempt.ended_at is None or attempt.ended_at <= at:
        return attempt
    return msgspec.structs.replace(
        attempt, ended_at=None, exit=None, stop=None, result=None, summary=None, cause=None, diagnosis=None
    )


def _unstarted(run: Run, *, attempts: int) -> Run:
    return msgspec.structs.replace(
        run,
        state=RunState.QUEUED,
        reason=None,
        requeued=None,
        slot=None,
        attempts=attempts,
        output_dir=None if attempts == 0 else run.output_dir,
        step=0,
        summary=None,
        unjudged=None,
        halved=None,
        started_at=None,
        ended_at=None,
    )
