"""Samples what the running attempts use of their GPUs, every few seconds, and keeps that beside each attempt.

The GPUs of a host are asked for over its connection; while that is cut there are no samples. Without a driver nothing is
kept and nothing is said: that a run has no GPU, or none that reports, others tell.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from autoloop import gpus
from autoloop.engine.base.context import Context
from autoloop.engine.runs.execution import Active, Execution
from autoloop.gpu_history import EVERY, GpuHistory, read_history
from autoloop.model import LOCAL, Attempt

WRITE_EVERY = 15.0
"""Seconds between two writes of one attempt's file: so much is lost at most if the engine is killed."""
ASK_AGAIN = 60.0
"""Seconds to the next question to a driver that is not there or does not answer."""


def begun(attempt: Attempt) -> bool:
    """Whether its command runs: another machine may still be about to start it."""
    return attempt.place == LOCAL or attempt.node is not None


class _Recording:
    """The history of one attempt on the GPUs of its slot."""

    def __init__(self, attempt: Attempt, cards: tuple[int, ...]) -> None:
        self.directory = Path(attempt.directory)
        self.cards = cards
        self.history = read_history(self.directory) or GpuHistory(gpus=len(cards))
        self.written = time.monotonic()

    def write(self) -> None:
        """A file that cannot be written is tried again later; it is no reason to disturb a run."""
        self.written = time.monotonic()
        with contextlib.suppress(OSError):
            self.history.write(self.directory)


class _Machine:
    """One place, whose GPUs are asked for while attempts execute there."""

    def __init__(self, loads: gpus.Asker) -> None:
        self._loads = loads
        self._taken_at = time.monotonic()
        """When the newest sample was taken in; on the monotonic clock."""
        self._rest = EVERY

    def rest(self) -> None:
        """Nothing executes there."""
        self._taken_at = time.monotonic()

    def sample(self) -> tuple[gpus.GpuReport, float] | None:
        """Ask the driver if it is time; its answer, if it is there, and for how many seconds it stands. Never waits."""
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
        """Ask the drivers if it is time, and take in what they answered."""
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
        self, report: gpus.GpuReport, active: Iterable[Active], slots: dict[int, tuple[int, ...]], seconds: float
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
        """Write the file that is due longest: a turn must not wait for a disk as often as there are runs."""
        late = min(self._recordings.values(), key=lambda each: each.written, default=None)
        if late and time.monotonic() - late.written >= WRITE_EVERY:
            late.write()

    def close(self) -> None:
        """Write everything: this engine leaves, and the attempts go on."""
        for recording in self._recordings.values():
            recording.write()
        self._recordings.clear()

    def ended(self, attempt: Attempt) -> None:
        """Write what is known of an attempt that has ended."""
        if recording := self._recordings.pop(attempt.id, None):
            recording.write()
