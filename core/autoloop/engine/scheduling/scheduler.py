"""Which queued runs may start now, and where. Depends on the loop's budget and quiet hours, the disks, the W&B server and
the GPUs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from autoloop.engine.base.context import Context
from autoloop.engine.planning import limits
from autoloop.engine.runs.disk_space import shortage
from autoloop.engine.runs.execution import EndedAttempt, Execution
from autoloop.engine.scheduling.assign import assign
from autoloop.engine.scheduling.gpu_admission import Admission
from autoloop.engine.scheduling.tied import CheckpointHosts
from autoloop.engine.scheduling.wandb_status import WandbStatus
from autoloop.model import EventKind, Loop, LoopEnd, LoopEndKind, LoopState, Run, RunState, Slot


class Shortage:
    """A shortage of processes, memory or descriptors: one start is tried after a growing pause, or as soon as a run ends."""

    LONGEST = 30.0
    WELL = 3.0
    """If a tried start has not met the shortage again within this many seconds, the shortage is over."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._pause = 0.0
        self._again = 0.0
        self._tried: float | None = None

    def met(self, reason: str) -> None:
        self.reason = reason
        self._pause = min(max(1.0, 2 * self._pause), self.LONGEST)
        self._again, self._tried = time.monotonic() + self._pause, None

    def eased(self) -> None:
        self._again = 0.0

    def take(self, queue: list[Run]) -> list[Run]:
        """The part of the queue that may be started now."""
        now = time.monotonic()
        if self._tried is not None:
            if now - self._tried < self.WELL:
                return []
            self.reason, self._pause, self._tried = None, 0.0, None
            return queue
        if now < self._again:
            return []
        self._tried = now
        return queue[:1]


class Scheduler:
    """Owned by the engine. Each wait is reported once."""

    def __init__(self, context: Context, execution: Execution, wandb: WandbStatus, *, min_free: int) -> None:
        """`min_free`: bytes that must be free for a run to start."""
        self.context = context
        self._min_free = min_free
        self.execution = execution
        self.wandb = wandb
        self._admission = Admission(context, execution.runners)
        self._tied = CheckpointHosts(context.spec)
        self._quiet = False
        self._short = Shortage()
        self._reserved: set[str] = set()
        """Ids of queued runs with a reserved slot; may include some that no longer have one."""
        self.reserve(context.store.queued(context.loop_id))

    def reserve(self, runs: Sequence[Run]) -> None:
        """Note newly queued runs: those that name a slot start in it before any other run."""
        self._reserved |= {run.id for run in runs if run.slot is not None}

    def ended(self, ended: Sequence[EndedAttempt]) -> None:
        """Note attempts that have just ended, so that their slots are free."""
        self._admission.ended(ended)
        self._short.eased()

    def held_back(self, reason: str) -> None:
        """A start met a shortage of processes, memory or descriptors: the next one waits."""
        self._short.met(reason)

    def due(self) -> list[tuple[Run, Slot]]:
        """The runs to start now, with their slots."""
        loop = self.context.loop
        starting = loop.state is LoopState.ACTIVE and not (loop.paused or self.wandb.must_wait)
        queue = self._with_space(loop, self._allowed(loop)) if starting else []
        free = [slot for slot in loop.spec.slots if slot.index not in self.execution.busy]
        return assign(queue, self._admission.admit(free, len(queue)), self.execution.busy, self._tied.fits)

    def _allowed(self, loop: Loop) -> list[Run]:
        """The part of the queue that may start now under the loop's budget and quiet hours."""
        queue, now = self._head(loop), self.context.clock()
        if not queue or (loop.deadline is not None and now >= loop.deadline):
            return []
        quiet = limits.quiet_until(loop.spec.quiet_hours, now)
        if quiet is not None and not self._quiet:
            self.context.log_event(EventKind.WAITING, f"{limits.quiet_in_words(quiet)}; running runs continue")
        self._quiet = quiet is not None
        if quiet is not None:
            return []
        started = self._started(loop)
        allowed = limits.startable(loop, queue, started)
        if len(allowed) < len(queue):  # further back there may be retries, which use no budget
            allowed = limits.startable(loop, self.context.store.queued(loop.id), started)
        return allowed

    def _head(self, loop: Loop) -> list[Run]:
        """The part of the queue that can be due: as many runs as there are slots, and those with a reserved slot.

        The queue may hold thousands of runs, and this is called at every turn.
        """
        store = self.context.store
        head = {run.id: run for run in store.queued(loop.id, len(loop.spec.slots))}
        for id_ in sorted(self._reserved - head.keys()):
            run = store.run(id_)
            if run.state is RunState.QUEUED and run.slot is not None:
                head[id_] = run
            else:
                self._reserved.discard(id_)
        return sorted(head.values(), key=lambda run: (run.round, run.position))

    def _with_space(self, loop: Loop, queue: list[Run]) -> list[Run]:
        """The runs of `queue` that disks and machine allow: none while a disk has too little free space, and at most one try
        at a time while processes, memory or descriptors are short."""
        full = None
        if assign(queue, loop.spec.slots, self.execution.busy):
            full = shortage((self.context.places.home, Path(loop.output_dir)), self._min_free)
        if not full and self._short.reason:
            queue = self._short.take(queue)
        lacking = full or self._short.reason
        if lacking != loop.waits_for and (lacking is None or loop.waits_for is None):
            with self.context.store.transaction():
                self.context.update_loop(waits_for=lacking)
                self.context.log_event(
                    EventKind.NOTE, f"no runs are started: {lacking}" if lacking else "runs are started again"
                )
        return [] if full else queue

    def exhausted(self) -> LoopEnd | None:
        """Why the budget allows no further start, once all running runs have ended; None while there is budget left.

        Running runs finish first: they are short, and their results are worth more than the minutes saved.
        """
        loop, now = self.context.loop, self.context.clock()
        if loop.state is not LoopState.ACTIVE or self.execution.busy or (loop.deadline is None and loop.max_runs is None):
            return None
        started = self._started(loop)
        queue = self.context.store.queued(loop.id)
        over = loop.deadline is not None and now >= loop.deadline
        if over or (queue and not limits.startable(loop, queue, started)):
            text = limits.exhausted_reason(loop, started, now)
            return LoopEnd(kind=LoopEndKind.LIMIT, text=text) if text else None
        return None

    def _started(self, loop: Loop) -> int:
        """The number of runs that have been started; 0 if that is not limited."""
        return 0 if loop.max_runs is None else self.context.store.started_runs(loop.id)
