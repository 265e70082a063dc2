"""Samples the GPU use of running attempts every few seconds, and stores it in each attempt's folder.

The GPUs of a host are queried over its connection; there are no samples while it is down. Without a driver, nothing is
stored or reported: other modules report that a run has no GPU, or none that can be read.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from autoloop import gpus
from autoloop.engine.base.context import Context
from autoloop.engine.runs.execution import ActiveAttempt, Execution
from autoloop.gpu_history import EVERY, GpuHistory, read_history
from autoloop.model import LOCAL, Attempt

WRITE_EVERY = 15.0
"""Seconds between two writes of one attempt's file; a killed engine loses at most this much."""
ASK_AGAIN = 60.0
"""Seconds until a driver that is missing or does not respond is queried again."""


def begun(attempt: Attempt) -> bool:
    """Whether the attempt's command has started: another machine may still be about to start it."""
    return attempt.place == LOCAL or attempt.node is not None


class _Recording:
    """The GPU history of one attempt, for the GPUs of its slot."""

    def __init__(self, attempt: Attempt, cards: tuple[int, ...]) -> None:
        self.directory = Path(attempt.directory)
        self.cards = cards
        self.history = read_history(self.directory) or GpuHistory(gpus=len(cards))
        self.written = time.monotonic()

    def write(self) -> None:
        """Write the file. If that fails, it is retried later; the run is not disturbed."""
        self.written = time.monotonic()
        with contextlib.suppress(OSError):
            self.history.write(self.directory)


class _Machine:
    """A place with GPUs, which are queried while attempts execute there."""

    def __init__(self, loads: gpus.GpuSource) -> None:
        self._loads = loads
        self._taken_at = time.monotonic()
        """When the last sample was recorded, in monotonic seconds."""
        self._rest = EVERY

    def rest(self) -> None:
        """Nothing executes there: restart the sampling interval."""
        self._taken_at = time.monotonic()

    def sample(self) -> tuple[gpus.GpuReport, float] | None:
        """Query the driver if it is time. Returns a new answer, if any, and the seconds that it covers. Never blocks."""
        report, now = self._loads.report, time.monotonic()
        if report is not None and self._loads.asked_at is not None and self._loads.asked_at > self._taken_at:
            self._rest = ASK_AGAIN if report.error else EVERY
            seconds, self._taken_at = min(now - self._taken_at, 2 * EVERY), now
            return report, seconds
        if now - self._taken_at >= self._rest:
            self._loads.ask()
        return None


class GpuSampling:
    """Owned by the engine; `look` is called at each turn, `ended` before an attempt is settled."""

    def __init__(self, context: Context, execution: Execution) -> None:
        self.context = context
        self.execution = execution
        runners = execution.runners.items()
        self._machines = {place: _Machine(loads) for place, runner in runners if (loads := runner.loads) is not None}
        self._recordings: dict[str, _Recording] = {}
        """By attempt."""

    def look(self) -> None:
        """Query the drivers if it is time, and record their answers."""
        slots = {slot.index: slot.gpus for slot in self.context.spec.slots if slot.gpus}
        active = [each for each in self.execution.executing if each.attempt.slot in slots and begun(each.attempt)]
        for place, machine in self._machines.items():
            here = [each for each in active if each.attempt.place == place]
            if not here:
                machine.rest()
            elif (sample := machine.sample()) is not None:
                self._take(sample[0], here, slots, sample[1])
        self._write_one()

    def _take(
        self, report: gpus.GpuReport, active: Iterable[ActiveAttempt], slots: dict[int, tuple[int, ...]], seconds: float
    ) -> None:
        by_index = {card.index: card for card in report.gpus}
        for each in active:
            wanted = slots[each.attempt.slot]
            cards = [by_index[index] for index in wanted if index in by_index]
            if not cards:
                continue
            if each.attempt.id not in self._recordings:
                self._recordings[each.attempt.id] = _Recording(each.attempt, wanted)
            self._recordings[each.attempt.id].history.add(self.context.clock(), seconds, cards)

    def _write_one(self) -> None:
        """Write the most overdue file. Only one per turn, because each write may wait for the disk."""
        late = min(self._recordings.values(), key=lambda each: each.written, default=None)
        if late and time.monotonic() - late.written >= WRITE_EVERY:
            late.write()

    def close(self) -> None:
        """Write all files. This engine exits, but the attempts continue."""
        for recording in self._recordings.values():
            recording.write()
        self._recordings.clear()

    def ended(self, attempt: Attempt) -> None:
        """Write the history of an attempt that has ended."""
        if recording := self._recordings.pop(attempt.id, None):
            recording.write()
