"""Which free slots a run may start in now: on a GPU, only after the last run's memory is free and if no one else is using
it; on a host, only while it responds.

A driver is queried only while a GPU slot of its machine is free and a run is queued, and in a thread, because a broken
driver may never answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from autoloop import gpus
from autoloop.engine.base.context import Context
from autoloop.engine.runs.execution import EndedAttempt
from autoloop.model import LOCAL, EventKind, Slot
from autoloop.runners.runner import Runner

LOOK_EVERY = 2.0
"""Seconds between two readings while slots wait."""
RELEASE = 60.0
"""Seconds to wait until the memory of an ended run is free."""
MOMENT = 0.05
"""Seconds to wait for a reading: a healthy driver needs less, and the run then starts in the same turn."""


class Admission:
    """Used by the engine's thread. What a slot waits for is stored with the loop and reported once."""

    def __init__(self, context: Context, runners: Mapping[str, Runner]) -> None:
        self.context = context
        self._runners = runners
        self._ended: dict[int, float] = {}
        """By slot index: when its last run ended, in monotonic seconds. Missing if none has ended under this engine."""
        self._told: dict[int, str] = {}
        self._blind: dict[str, str] = {}
        """By place: the reported reason why its GPUs cannot be seen."""

    def ended(self, ended: Sequence[EndedAttempt]) -> None:
        """Note attempts that have just ended: earlier GPU readings are no longer valid for their slots."""
        self._ended |= {each.attempt.slot: time.monotonic() for each in ended}

    def admit(self, free: Sequence[Slot], queued: int) -> list[Slot]:
        """The `free` slots in which one of the `queued` runs may start now, in the given order."""
        if not queued:
            self._keep({})
            return list(free)
        reports = {place: self._look(place, slots) for place, slots in self._asked(free).items()}
        waits: dict[int, str] = {}
        admitted: list[Slot] = []
        for slot in free:
            if (why := self._unreachable(slot)) is None and slot.gpus and slot.place in reports:
                report = reports[slot.place]
                if report is None:
                    continue
                if report.error:
                    self._tell_blind(slot.place, report.error)
                else:
                    why = self._reason(slot, {card.index: card for card in report.gpus})
            if why is None:
                admitted.append(slot)
            elif len(admitted) < queued:
                waits[slot.index] = why
        self._keep(waits if len(admitted) < queued else {})
        return admitted

    def _asked(self, free: Sequence[Slot]) -> dict[str, list[Slot]]:
        """The free slots with GPUs, by place, for the places whose drivers should be queried."""
        found: dict[str, list[Slot]] = {}
        for slot in free:
            if slot.gpus and self._runners[slot.place].gpus is not None and self._unreachable(slot) is None:
                found.setdefault(slot.place, []).append(slot)
        return found

    def _unreachable(self, slot: Slot) -> str | None:
        """Why nothing can start there now, or None. A place with its own queue accepts runs later, so it never blocks."""
        runner = self._runners[slot.place]
        return runner.trouble if runner.gpus is not None else None

    # --------------------------------------------------------------------------------------------------------- looking

    def _look(self, place: str, free: Sequence[Slot]) -> gpus.GpuReport | None:
        """A reading taken after the last end in these slots, at most LOOK_EVERY old; None until there is one."""
        watcher, now = self._runners[place].gpus, time.monotonic()
        assert watcher is not None
        since = max((self._ended.get(slot.index, 0.0) for slot in free), default=0.0)
        if watcher.asked_at is None or (watcher.report and not since <= watcher.asked_at > now - LOOK_EVERY):
            watcher.ask()
            watcher.wait(MOMENT)
        assert watcher.asked_at is not None
        if watcher.report is None:
            # A host that does not respond is unreachable: nothing starts there without a reading.
            late = place == LOCAL and now - watcher.asked_at > gpus.PATIENCE
            return gpus.GpuReport(error=f"no answer within {gpus.PATIENCE:.0f} s") if late else None
        return watcher.report if since <= watcher.asked_at else None

    def _reason(self, slot: Slot, cards: Mapping[int, gpus.Gpu]) -> str | None:
        """Why no run may start there, or None if one may."""
        ended = self._ended.get(slot.index)
        after = time.monotonic() - ended if ended is not None else None
        strangers, left = [], []
        for index in slot.gpus:
            card = cards.get(index)
            if card is None:
                return f"the driver {'no longer lists' if slot.place == LOCAL else 'does not list'} GPU {index}"
            here = [process.words for process in card.processes if process.compute and process.here]
            gone = [process.words for process in card.processes if process.compute and not process.here]
            if here:
                strangers.append(", ".join(here))
            elif gone or card.unseen_memory:
                left.append(
                    ", ".join(gone)
                    or f"{card.unseen_memory / gpus.GIB:.1f} GiB used by processes that are not visible from here"
                )
        if self.context.spec.allow_busy:
            strangers = []
            left = left if after is not None and after < RELEASE else []
        if strangers:
            return f"in use by {'; '.join(strangers)}"
        if not left:
            return None
        if after is None:
            return f"in use by {'; '.join(left)}"
        if after < RELEASE:
            return f"the memory of the run that ended is not free yet: {'; '.join(left)}"
        text = f"{slot.label}: still in use {RELEASE:.0f} s after the last run: {'; '.join(left)}"
        self.context.log_event(EventKind.NOTE, f"{text}; the next starts anyway")
        del self._ended[slot.index]
        return None

    # --------------------------------------------------------------------------------------------------------- telling

    def _keep(self, waits: dict[int, str]) -> None:
        """Record what the slots wait for, and report each cause once."""
        loop = self.context.loop
        if waits != loop.slot_waits:
            self.context.update_loop(slot_waits=waits)
        labels = {slot.index: slot.label for slot in loop.spec.slots if self._unreachable(slot) is None}
        for index, why in waits.items():
            if index not in labels:  # reported once for its place
                continue
            # Do not report mere changes in memory use, or waits that last only a moment.
            cause = gpus.without_amounts(why)
            if self._told.get(index) != cause and not self._recently_ended(index):
                self._told[index] = cause
                self.context.log_event(EventKind.NOTE, f"{labels[index]} waits: {why}{self._hint()}")
        self._told = {index: cause for index, cause in self._told.items() if index in waits}

    def _recently_ended(self, index: int) -> bool:
        return time.monotonic() - self._ended.get(index, -LOOK_EVERY) < LOOK_EVERY

    def _hint(self) -> str:
        return "" if self.context.spec.allow_busy else "; a loop with --allow-busy starts there anyway"

    def _tell_blind(self, place: str, error: str) -> None:
        if error != self._blind.get(place):
            self._blind[place] = error
            where = "" if place == LOCAL else f" of {place}"
            self.context.log_event(EventKind.NOTE, f"cannot see who else uses the GPUs{where} ({error}); runs start anyway")
