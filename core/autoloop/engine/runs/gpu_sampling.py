"""Samples what the running attempts use of their GPUs, every few seconds, and keeps that beside each attempt.

Without a driver nothing is kept and nothing is said: that a run has no GPU, or none that reports, others tell.
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


class GpuSampling:
    """Owned by the engine; `look` is called at each turn, `ended` before an attempt is settled."""

    def __init__(self, context: Context, execution: Execution) -> None:
        self.context = context
        self.execution = execution
        self._watcher = gpus.Watcher(processes=False)
        self._recordings: dict[str, _Recording] = {}
        """By attempt."""
        self._taken_at = time.monotonic()
        """When the newest sample was taken in; on the monotonic clock."""
        self._rest = EVERY

    def look(self) -> None:
        """Ask the driver if it is time, and take in its answer if it is there; never waits for it."""
        slots = {slot.index: slot.gpus for slot in self.context.spec.slots if slot.gpus and slot.place == LOCAL}
        active = [each for each in self.execution.executing if each.attempt.slot in slots]
        if not active:
            self._taken_at = time.monotonic()
            return
        report, now = self._watcher.report, time.monotonic()
        if report is not None and self._watcher.asked_at is not None and self._watcher.asked_at > self._taken_at:
            self._rest = ASK_AGAIN if report.error else EVERY
            self._take(report, active, slots, min(now - self._taken_at, 2 * EVERY))
            self._taken_at = now
        elif now - self._taken_at >= self._rest:
            self._watcher.ask()
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
