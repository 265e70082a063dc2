"""A chart of all runs of a round, each with its letter and colour; a run can be shown alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from autoloop.model import Run, Series
from autoloop.text.number_column import NumberColumn
from textual.binding import BindingType

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.cutting import middle
from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import fit, look, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.charts.replicates import Replicates
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.row_pane import DrawnPane, RowPane

MOST = 12
"""Maximum number of runs drawn; more lines would be indistinguishable."""


class RoundChartScreen(LoopScreen):
    SCOPE = "round"
    TITLE = "round"
    DEFAULT_CSS = "RoundChartScreen #round-chart { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings("round")

    def __init__(self, run_id: str) -> None:
        """Show the round of this run, which is selected at first."""
        super().__init__()
        self.chosen = run_id
        self.alone = False
        """Draw only the selected run."""
        self.metric: str | None = None
        self._columns: dict[str, Mapping[str, Series]] = {}
        self._replicates = Replicates()
        self._ticks = 0

    def body(self) -> list[RowPane]:
        return [Chart(id="round-chart"), DrawnPane(id="round-runs")]

    def _runs(self, view: View) -> list[Run]:
        """Return the runs to draw: those of the round that have started, in order of creation."""
        run = view.run(self.chosen)
        started = [each for each in view.snapshot.runs_of(run.round) if each.output_dir is not None] if run else []
        return started[:MOST]

    def show_view(self, view: View) -> None:
        self.query_one("#round-runs", DrawnPane).styles.height = len(self._runs(view)) + 1
        self.call_after_refresh(self._paint)

    def tick(self) -> None:
        view = self.view
        if view is None:
            return
        if runs := self._runs(view):
            # One history per tick, round-robin: a key must not wait for all of them.
            run = runs[self._ticks % len(runs)]
            columns = self.console.feed.read(run)
            if columns is not self._columns.get(run.id):
                self._columns[run.id] = columns
            self._read_beside(view, runs)
            self._paint()
        self._ticks += 1

    def _read_beside(self, view: View, runs: list[Run]) -> None:
        """Continue reading the base of the selected run and the replicates of all runs."""
        base = self._base(view)
        if base is not None:
            self._columns[base.id] = self.console.feed.read(base)
        self._replicates.read_on(self.console.feed, view, [*runs, *([base] if base else [])])

    def _base(self, view: View) -> Run | None:
        """Return the base of the selected run."""
        run = view.run(self.chosen)
        return view.base_of(run) if run else None

    def _metrics(self, view: View) -> list[str]:
        found = {name for columns in self._columns.values() for name in columns}
        keys = [name for name in view.metrics.key_metrics if name in found]
        return keys + sorted(found - set(keys), key=view.metrics.short)

    def _paint(self) -> None:
        view = self.view
        if view is None:
            return
        runs, metrics = self._runs(view), self._metrics(view)
        self.metric = self.metric if self.metric in metrics else next(iter(metrics), None)
        drawn = [run for run in runs if not self.alone or run.id == self.chosen]
        lines: dict[str, Line] = {}
        badges = view.badges(run.id for run in runs)
        for run in sorted(drawn, key=lambda each: each.id != self.chosen):  # the selected run in front
            series = self._columns.get(run.id, {}).get(self.metric or "")
            if series is not None:
                badge = badges[run.id]
                lines[run.id] = Line(plain(run.name), series, badge.colour, letter=badge.letter)
        base = self._base(view)
        if base is not None and base.id not in lines:
            series = self._columns.get(base.id, {}).get(self.metric or "")
            if series is not None:
                lines[base.id] = Line("base", series, base=True, letter=view.badge(base).letter)
        chart = self.query_one(Chart)
        number_ = runs[0].round if runs else ""
        place = f", metric {metrics.index(self.metric) + 1} of {len(metrics)}: " if self.metric else ""
        chart.chart_title = plain(f"round {number_}{place}{view.metrics.short(self.metric or '')}")
        banded = self._replicates.with_bands(view, lines, self._columns, self.metric or "")
        chart.unit = "bands: seeds, min to max" if any(line.band for line in banded) else ""
        chart.set_series(banded, x_high=max((run.total_steps for run in drawn), default=0) or None)
        self.query_one("#round-runs", DrawnPane).show_drawn(partial(self._run_rows, view, runs, badges))

    def _run_rows(
        self, view: View, runs: list[Run], badges: Mapping[str, Badge], width: int, height: int
    ) -> list[list[Piece]]:
        glyphs = self.console.glyphs
        all_runs = view.snapshot.runs_of(runs[0].round) if runs else []
        waiting = sum(run.output_dir is None for run in all_runs)
        told = f" {len(runs)} of {len(all_runs)} runs" + (f", {waiting} not started" if waiting else "")
        told += ", one alone" if self.alone else ""
        rows: list[list[Piece]] = [[(told, "dim")]]
        name = max(12, min(48, width - 30))
        lasts = {run.id: self._last(run) for run in runs}
        column = NumberColumn.of(lasts.values(), room=12)
        for run in runs:
            badge, seen, line = badges[run.id], look(view.state_of(run)), " line" if run.id == self.chosen else ""
            rows.append(
                [
                    (glyphs.of("▌", ">") if line else " ", f"key{line}"),
                    (f"{badge.letter:>2} ", f"bold {badge.look}{line}"),
                    (fit(middle(run.name, name, glyphs.ellipsis), name) + " ", line),
                    (f" {column.text(lasts[run.id], glyphs.nothing)}  ", "bold" + line),
                    (fit(seen.text(glyphs), 11), seen.variable + line),
                ]
            )
        return rows

    def _last(self, run: Run) -> float | None:
        series = self._columns.get(run.id, {}).get(self.metric or "")
        return series.values[-1] if series is not None and len(series) else None

    # -------------------------------------------------------------------------------------------------------- actions

    def _walk(self, step: int) -> None:
        if self.view is not None and (runs := [run.id for run in self._runs(self.view)]):
            at = runs.index(self.chosen) + step if self.chosen in runs else 0
            self.chosen = runs[min(max(at, 0), len(runs) - 1)]
            self._paint()

    def action_down(self) -> None:
        self._walk(1)

    def action_up(self) -> None:
        self._walk(-1)

    def action_left(self) -> None:
        self.action_right(-1)

    def action_right(self, step: int = 1) -> None:
        if self.view is not None and self.metric is not None:
            metrics = self._metrics(self.view)
            self.metric = metrics[(metrics.index(self.metric) + step) % len(metrics)]
            self._paint()

    def action_only(self) -> None:
        self.alone = not self.alone
        self._paint()

    def action_log_y(self) -> None:
        self.query_one(Chart).toggle_log_y()

    def action_open(self) -> None:
        self.console.open_run(self.chosen)
