"""A past loop on the console's screens, with a separate clock: views as of an instant, built from the store's contents."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path

from autoloop.as_of import LoopHistory, shifted
from autoloop.engine import Holder
from autoloop.model import LoopState, Run, Series
from autoloop.store import LoopRows

from autoloop_tui.console.feed import BUDGET, Feed
from autoloop_tui.console.loop_view import View

SPEEDS = (1, 10, 60, 300, 1800, 7200)
"""Replayed seconds per second of real time."""

REFRESH = 1.0
"""Seconds after which a paused replay rebuilds its view, because times are shown relative to now."""


class ReplayFeed(Feed):
    """Shifts the times in its views so that the replayed instant is now."""

    def __init__(self, project: Path, loop: str | None = None, *, speed: float = 60) -> None:
        super().__init__(project, loop)
        self.past = LoopHistory.read(self.store, self.loop_id)
        self.at, self.speed, self.playing = self.past.begin, speed, True
        self._ticked = self._made = time.monotonic()
        self._shown: float | None = None

    def follow_loop(self, loop: int) -> None:
        super().follow_loop(loop)
        self.past = LoopHistory.read(self.store, loop)
        self.at, self._shown = self.past.begin, None

    # ----------------------------------------------------------------------------------------------------- replay clock

    @property
    def share(self) -> float:
        """The fraction of the loop that has been replayed."""
        whole = self.past.end - self.past.begin
        return min(1.0, (self.at - self.past.begin) / whole) if whole > 0 else 1.0

    def go(self, at: float) -> None:
        self.at = max(self.past.begin, min(at, self.past.end))

    def next_event(self) -> None:
        self.go(self.past.next_event(self.at))

    def previous_event(self) -> None:
        self.go(self.past.previous_event(self.at))

    def change_speed(self, step: int) -> None:
        place = bisect_right(SPEEDS, self.speed) - 1 + step
        self.speed = SPEEDS[max(0, min(place, len(SPEEDS) - 1))]

    def poll(self, *, brief: bool = False) -> bool:
        now = time.monotonic()
        if self.playing:
            self.go(self.at + (now - self._ticked) * self.speed)
        self._ticked = now
        if self.at == self._shown and now - self._made < REFRESH:
            return False
        snapshot = shifted(self.past.as_of(self.at), time.time() - self.at)
        driven = snapshot.loop.state is LoopState.ACTIVE
        engine = Holder(pid=0, host="replay", since=0.0) if driven else None
        self.view = View(snapshot, engine, self._metrics_of(snapshot), self.project)
        self._shown, self._made = self.at, now
        return True

    def read_ahead(self) -> LoopRows | None:
        return None

    # ---------------------------------------------------------------------------------------------------- histories

    def read(self, run: Run, *, budget: int = BUDGET) -> Mapping[str, Series]:
        return _until(super().read(run, budget=budget), run)

    def known(self, run: Run) -> Mapping[str, Series]:
        return _until(super().known(run), run)

    def step(self, run: Run) -> int:
        return run.step

    def rate(self, run: Run) -> float | None:
        took = time.time() - (run.started_at or 0.0)
        return run.step / took if run.started_at and not run.state.ended and took > 0 else None


def _until(columns: Mapping[str, Series], run: Run) -> Mapping[str, Series]:
    """Return the points logged up to the run's step."""
    if run.state.ended:
        return columns
    cut = {name: bisect_right(series.steps, run.step) for name, series in columns.items()}
    return {name: Series(columns[name].steps[:end], columns[name].values[:end]) for name, end in cut.items() if end}
