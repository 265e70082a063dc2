"""Explains why a run, a slot or a round waits: for which resources, since when, and what would end each wait. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoloop.engine.planning import limits
from autoloop.model import Event, EventKind, LoopState, ProposalStatus, Round, RoundState, Run, RunState, Slot
from autoloop.store import Snapshot
from autoloop.text.plural import plural


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A wait for one resource."""

    resource: str
    """`engine`, `GPU`, `disk`, `slot`, `approval` …"""
    why: str
    ends: str
    """What would end the wait."""
    since: float | None = None
    """Unix seconds; None if it is not recorded."""


@dataclass(frozen=True)
class Explanation:
    """The state of a run, a slot or a round, and its waits: none if it is active or has ended."""

    stands: str
    waits: list[Wait]


class Explainer:
    """Explains the state in one snapshot. `events`: the loop's; `driven`: whether an engine runs the loop."""

    def __init__(self, snapshot: Snapshot, events: Sequence[Event], *, driven: bool, now: float) -> None:
        self.snapshot, self.driven, self.now = snapshot, driven, now
        self._paused_at = next((each.at for each in reversed(events) if each.kind is EventKind.LOOP_PAUSED), None)

    def run(self, run: Run) -> Explanation:
        if run.state.ended:
            return Explanation(f"{run.name}: {run.state.value}{f', {run.reason}' if run.reason else ''}", [])
        if run.state is RunState.QUEUED:
            queue = self._queue
            place = next((at for at, each in enumerate(queue, 1) if each.id == run.id), len(queue))
            stands = f"{run.name}: queued, {place} of {len(queue)}"
            if run.reason:
                stands += f" ({run.reason})"
            return Explanation(stands, [*self._loop(), *self._slots_for(run, place)])
        stands = f"{run.name}: {run.state.value}, step {run.step}" + (f" of {run.total_steps}" if run.total_steps else "")
        if run.state is RunState.STOPPING:
            attempt = self.snapshot.attempts.get(run.id)
            why = attempt.stop.text if attempt and attempt.stop else "it was asked to stop"
            return Explanation(
                stands,
                [*self._engine(), Wait(resource="process", why=why, ends="its process exits, or `autoloop-tui kill`")],
            )
        asked = [each for each in self.snapshot.proposals if each.live and each.base_run == run.id]
        waits = [
            Wait(
                resource="approval",
                why=f"live rule {each.origin} asks to {'relaunch' if each.edits else 'stop'} it; the run continues until "
                f"then",
                ends=f"`autoloop-tui approve {each.id}` or `reject {each.id}`",
                since=each.created_at,
            )
            for each in asked
            if each.status is ProposalStatus.PENDING
        ]
        if run.waits:
            attempt = self.snapshot.attempts[run.id]
            since: float | None = attempt.created_at
            ends = f"{attempt.place} begins it, or `autoloop-tui stop {run.id}`"
            if attempt.node is not None:  # it has ended, but the time is not recorded yet
                ends = f"{attempt.place} says why it ended, or 30 s have passed (5 minutes if a signal or others ended it)"
                since = None
            waits.append(Wait(resource=attempt.place, why=run.waits, ends=ends, since=since))
        return Explanation(stands, [*self._engine(), *waits])

    def slot(self, slot: Slot) -> Explanation:
        run = self.snapshot.in_slot(slot.index)
        if run is not None:
            told = self.run(run)
            return Explanation(f"{slot.label} runs {told.stands}", told.waits)
        if not self._queue:
            return Explanation(f"{slot.label}: free, and no run is queued", self._loop() or self._next_round())
        return Explanation(
            f"{slot.label}: free, {plural(len(self._queue), 'run')} queued", [*self._loop(), *self._gpu(slot)]
        )

    def round(self, round_: Round | None) -> Explanation:
        if round_ is None:
            return Explanation("no round has started", self._engine())
        runs = self.snapshot.runs_of(round_.number)
        open_ = [run for run in runs if not run.state.ended]
        if round_.state is RoundState.DONE:
            return Explanation(f"round {round_.number}: done", [])
        if round_.state is RoundState.DECIDING:
            return Explanation(f"round {round_.number}: its runs have ended", [*self._engine(), *self._next_round()])
        active = sum(run.state is not RunState.QUEUED for run in open_)
        stands = f"round {round_.number}: {len(runs) - len(open_)} of {plural(len(runs), 'run')} ended, {active} running"
        waits = self._loop() if len(open_) > active else self._engine()
        if open_:
            waits.append(Wait(resource="runs", why=f"{plural(len(open_), 'run')} left", ends="the last of them ends"))
        return Explanation(stands, waits)

    # ------------------------------------------------------------------------------------------------------- resources

    @property
    def _queue(self) -> list[Run]:
        queued = [run for run in self.snapshot.runs if run.state is RunState.QUEUED]
        return sorted(queued, key=lambda run: (run.round, run.position))

    def _engine(self) -> list[Wait]:
        loop = self.snapshot.loop
        if loop.state is not LoopState.ACTIVE:
            why = loop.state.value + (f": {loop.reason}" if loop.reason else "")
            ends = "`autoloop-tui resume`" if loop.state is LoopState.STOPPED else "never: nothing starts in a finished loop"
            return [Wait(resource="loop", why=why, ends=ends, since=loop.ended_at)]
        if not self.driven:
            return [Wait(resource="engine", why="the engine has stopped", ends="`autoloop-tui resume` restarts it")]
        return []

    def _loop(self) -> list[Wait]:
        """The waits that keep every queued run of the loop from starting."""
        loop, waits = self.snapshot.loop, self._engine()
        if waits:
            return waits
        if loop.paused:
            ends = "`autoloop-tui resume`"
            waits.append(Wait(resource="pause", why="the queue is paused", ends=ends, since=self._paused_at))
        if loop.waits_for:
            waits.append(Wait(resource="machine", why=loop.waits_for, ends="the machine has enough of it again"))
        started = sum(run.attempts > 0 for run in self.snapshot.runs)
        if over := limits.exhausted_reason(loop, started, self.now):
            waits.append(Wait(resource="budget", why=over, ends="a resume with a larger limit"))
        if quiet := limits.quiet_until(loop.spec.quiet_hours, self.now):
            waits.append(Wait(resource="hours", why=limits.quiet_in_words(quiet), ends="the quiet hours end"))
        return waits

    def _gpu(self, slot: Slot) -> list[Wait]:
        why = self.snapshot.loop.slot_waits.get(slot.index)
        if why and slot.place in self.snapshot.loop.unreachable:
            return [Wait(resource="host", why=why, ends=f"{slot.place} answers")]
        allow = "" if self.snapshot.loop.spec.allow_busy else ", or a loop with --allow-busy"
        return [Wait(resource="GPU", why=f"{slot.label}: {why}", ends=f"the GPU is free{allow}")] if why else []

    def _slots_for(self, run: Run, place: int) -> list[Wait]:
        slots = self.snapshot.loop.spec.slots
        if run.slot is not None:
            slots = [slot for slot in slots if slot.index == run.slot]
        busy = [held for slot in slots if (held := self.snapshot.in_slot(slot.index))]
        waits = [wait for slot in slots for wait in self._gpu(slot)]
        if len(busy) == len(slots) and busy:
            which = f"its reserved slot, {slots[0].label}," if run.slot is not None else "every slot"
            since = max((each.started_at or 0.0 for each in busy), default=0.0) or None
            ends = "one of their runs ends" if len(busy) > 1 else f"{busy[0].name} ends"
            if place > 1 and run.slot is None:
                ends += f"; {plural(place - 1, 'run')} start{'s' if place == 2 else ''} before it"
            waits.append(Wait(resource="slot", why=f"{which} is in use", ends=ends, since=since))
        return waits

    def _next_round(self) -> list[Wait]:
        """The waits of the round after the newest one."""
        loop, round_ = self.snapshot.loop, self.snapshot.round
        if round_ is None or round_.state is not RoundState.DECIDING:
            return []
        mine = [each for each in self.snapshot.proposals if each.round == round_.number and each.live is None]
        pending = [each for each in mine if each.status is ProposalStatus.PENDING]
        waits: list[Wait] = []
        if pending:
            ends = "`autoloop-tui approve` or `reject`, or `start` without them"
            if round_.decide_by is not None:
                ends += f"; approved automatically in {max(0, round_.decide_by - self.now):.0f} s"
            since = min(each.created_at for each in pending)
            why = f"{plural(len(pending), 'proposal')} to decide: " + ", ".join(f"#{each.id}" for each in pending[:8])
            waits.append(Wait(resource="approval", why=why, ends=ends, since=since))
        if loop.held:
            ends = "`autoloop-tui start`, or `hold --off`"
            waits.append(Wait(resource="hold", why="the next round is held", ends=ends))
        elif round_.start_at is not None and not pending:
            left = max(0.0, round_.start_at - self.now)
            waits.append(Wait(resource="grace", why="decisions can still be undone", ends=f"in {left:.0f} s, or `start`"))
        return waits
