"""Reading the histories and machine load for Slots, in small steps per tick, never on a key press."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from autoloop.model import LOCAL, Run, RunState, Slot
from textual.screen import Screen
from textual.worker import Worker

from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.telemetry import Sample

READ_SECONDS = 0.015
"""Approximate seconds per tick spent reading histories: a key must not wait for 64 of them."""

READ_BYTES = 64 << 10
"""Bytes read of one history at a time."""

LOOK_AGAIN, QUIET = 10.0, 3.0
"""Seconds before a completely read history is read again: of an ended run, because data from another machine may arrive
late, and of a run in training other than the first."""

SAMPLE_EVERY = 2.0
"""Seconds between two samples of the machine."""


class Histories:
    """The histories of the visible slots' runs and of their bases."""

    def __init__(self) -> None:
        self._asked: list[str] = []
        """Runs in reading order."""
        self._left: list[Run] = []
        """Requested runs that have not been read to the end."""
        self._rests: dict[tuple[str, int], float] = {}
        """Attempts that were read to the end, and when to read them again."""

    def ask(self, view: View, feed: Feed, slots: Sequence[Slot], first: Run | None) -> None:
        """Continue reading all of them, beginning with `first`, unless the same ones are still being read."""
        shown = [run for slot in slots if (run := view.in_slots.get(slot.index))]
        shown.sort(key=lambda run: run is not first)
        found = {run.id: run for run in shown}
        found |= {base.id: base for run in shown if (base := view.base_of(run)) and base.id not in found}
        if not self._left or [*found] != self._asked:
            self._asked, self._left = [*found], [*found.values()]
            feed.keep_open(len(found))

    def read(self, feed: Feed) -> bool:
        """Read for a short time; return whether there was anything new. Painting uses what is known and never waits for a
        file."""
        until, found = time.monotonic() + READ_SECONDS, False
        while self._left:
            run = self._left.pop(0)
            before, attempt, now = feed.known(run), (run.id, run.attempts), time.monotonic()
            if before and now < self._rests.get(attempt, 0.0):
                continue
            if feed.read(run, budget=READ_BYTES) is not before:
                self._left.append(run)  # there may be more, even after a part without a point
                found = True
            elif run.state.ended and not feed.arrives(run):
                self._rests[attempt] = now + LOOK_AGAIN
            elif run.id != self._asked[0]:
                self._rests[attempt] = now + QUIET
            if time.monotonic() > until:
                break
        return found


class Machine:
    """Samples the GPUs and the processes of the runs in a worker thread of the screen."""

    def __init__(self, screen: Screen[Any]) -> None:
        self.sample: Sample | None = None
        """The newest sample."""
        self._screen = screen
        self._sampled_at = 0.0
        self._at_work: Worker[None] | None = None

    def look(self, feed: Feed, view: View) -> None:
        """Take a sample if the last one is old."""
        now = time.monotonic()
        if now - self._sampled_at < SAMPLE_EVERY or (self._at_work is not None and not self._at_work.is_finished):
            return
        self._sampled_at = now
        attempts = {
            run.id: view.snapshot.attempts[run.id]
            for slot in view.loop.spec.slots
            if (run := view.in_slots.get(slot.index))
            and run.state in (RunState.RUNNING, RunState.STOPPING)
            and run.id in view.snapshot.attempts
        }
        with_gpus = any(slot.gpus and slot.place == LOCAL for slot in view.loop.spec.slots)

        def take() -> None:
            self.sample = feed.take_sample(attempts, with_gpus=with_gpus)

        if attempts or with_gpus:
            self._at_work = self._screen.run_worker(take, thread=True, exit_on_error=False)
