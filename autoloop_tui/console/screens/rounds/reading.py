"""Figures of the visible running runs in Rounds, and trends of the visible runs: read in small steps per tick, never on a
key press."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from autoloop.model import MetricSummary, Run, RunState, Series

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import sparkline
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.metric_delta import at_the_step_of, so_far
from autoloop_tui.console.present.rounds.cells import TREND

READ_SECONDS = 0.01
"""Maximum seconds per tick spent reading trends."""

TRIES = 4
"""Attempts to find a run's history before it counts as having no trend."""


class Curves:
    def __init__(self) -> None:
        self.live: dict[str, Mapping[str, MetricSummary]] = {}
        """By running run: its figures so far."""
        self.live_bases: dict[str, Mapping[str, MetricSummary]] = {}
        """By running run: the figures of its base at the same step."""
        self.live_steps: dict[str, int] = {}
        self._trends: dict[tuple[str, str, int], str] = {}
        """By run, metric and number of attempts."""
        self._unread: Run | None = None
        """The run whose curve is being read for its trend."""
        self._tries = 0

    def trends(self, metric: str) -> dict[str, str]:
        """Return the trends read so far, by run."""
        return {run: trend for (run, of, _), trend in self._trends.items() if of == metric}

    def read_live(self, feed: Feed, view: View, runs: Sequence[Run], turn: int) -> bool:
        """Update the figures of the running runs among these, reading one history per call, round-robin. Returns whether any
        are new."""
        active = [run for run in runs if run.loop == view.loop.id and run.state in (RunState.RUNNING, RunState.STOPPING)]
        if not active:
            return False
        # Data read by other screens is shown at once.
        fresh = [run for run in active if run.id not in self.live and feed.known(run)]
        found = [self._reached(feed, view, run, feed.known) for run in fresh]
        return self._reached(feed, view, active[turn % len(active)], feed.read) or any(found)

    def _reached(self, feed: Feed, view: View, run: Run, columns_of: Callable[[Run], Mapping[str, Series]]) -> bool:
        """Update the figures of a run and of its base at the same step; return whether they have changed."""
        before = self.live.get(run.id)
        columns = columns_of(run)
        keys = {name: columns[name] for name in view.metrics.key_metrics if name in columns}  # metrics with a column
        self.live[run.id] = reached = so_far(keys, view.metrics)
        if base := view.base_of(run):
            self.live_bases[run.id] = at_the_step_of(reached, columns_of(base), view.metrics)
        self.live_steps[run.id] = feed.step(run)
        return reached != before

    def read_trends(self, feed: Feed, view: View, runs: Sequence[Run], metric: str, glyphs: Glyphs) -> bool:
        """Continue reading the curves of these runs one after the other; return whether there is a new trend."""
        until, found = time.monotonic() + READ_SECONDS, False
        while self._read_trend(feed, view, runs, metric, glyphs):
            found = True
            if time.monotonic() > until:
                break
        return found

    def _read_trend(self, feed: Feed, view: View, runs: Sequence[Run], metric: str, glyphs: Glyphs) -> bool:
        if self._unread is None:
            ended = [run for run in runs if run.loop == view.loop.id and run.state.ended]
            self._unread = next((run for run in ended if (run.id, metric, run.attempts) not in self._trends), None)
        run = self._unread
        if run is None or not metric:
            return False
        before = feed.known(run)
        columns = feed.read(run)
        series = columns.get(metric)
        self._tries = 0 if columns is not before else self._tries + 1
        if columns is not before or feed.arrives(run) or (not series and self._tries < TRIES):
            return False
        self._unread = None
        self._trends[run.id, metric, run.attempts] = sparkline(series.values, TREND, glyphs=glyphs) if series else ""
        return True
