"""A consistent snapshot of a loop, for clients to paint."""

from __future__ import annotations

import msgspec

from autoloop.model import Attempt, Delivery, Loop, Note, Proposal, Round, RoundState, Run, RunState
from autoloop.store.database import Store


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A loop at one instant. `attempts` maps each run to its newest attempt; `elsewhere` lists finished runs of other loops
    that differ from a run of this loop only in the seed."""

    loop: Loop
    rounds: list[Round]
    runs: list[Run]
    """In order of creation."""
    attempts: dict[str, Attempt]
    proposals: list[Proposal]
    elsewhere: list[Run] = []
    notes: list[Note] = []
    """Oldest first."""
    deliveries: list[Delivery] = []
    """To hooks, newest first."""
    left_out: int = 0
    """The number of runs of earlier rounds that are omitted from `runs`."""

    @property
    def round(self) -> Round | None:
        return self.rounds[-1] if self.rounds else None

    def runs_of(self, number: int) -> list[Run]:
        return [run for run in self.runs if run.round == number]

    @property
    def queued(self) -> int:
        return sum(run.state is RunState.QUEUED for run in self.runs)

    def in_slot(self, slot: int) -> Run | None:
        """The run that holds the slot now."""
        for run in self.runs:
            if run.slot == slot and run.state in (RunState.RUNNING, RunState.STOPPING):
                return run
        return None

    @property
    def waits_for_decision(self) -> bool:
        return self.round is not None and self.round.state is RoundState.DECIDING


def take_snapshot(store: Store, loop: int) -> Snapshot:
    """Read everything from one state of the database, so that the parts are consistent.

    Unchanged rows are not read again, so painting a loop of thousands of runs four times a second stays cheap.
    """
    with store.reading():
        now = store.loop(loop)
        rows = store.rows_of(now)
        return Snapshot(
            loop=now,
            rounds=store.rounds(loop),
            runs=rows.runs,
            attempts=rows.attempts,
            proposals=rows.proposals,
            elsewhere=rows.elsewhere,
            notes=store.notes(loop),
            deliveries=store.deliveries(loop),
        )


def take_brief_snapshot(store: Store, loop: int) -> Snapshot:
    """Read only the newest round with its runs and proposals, to paint something before all of a large loop is read."""
    with store.reading():
        rounds = store.rounds(loop)
        newest = rounds[-1].number if rounds else 0
        runs = store.runs(loop, newest)
        return Snapshot(
            loop=store.loop(loop),
            rounds=rounds,
            runs=runs,
            attempts={attempt.run: attempt for attempt in store.round_attempts(loop, newest)},
            proposals=store.proposals(loop, newest),
            left_out=store.number_of_runs(loop) - len(runs),
        )
