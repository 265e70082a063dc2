"""The charts of a run in a grid; a zoomed chart has a list of all metrics with their figures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoloop.model import MetricSummary, Run, RunState, Series
from textual.app import ComposeResult
from textual.containers import Horizontal

from autoloop_tui.console.drawing.backdrop import Level
from autoloop_tui.console.drawing.badges import COLOURS
from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import number, plain, signed
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.drawing.smoothing import Smoother
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.charts.bands import Seeds
from autoloop_tui.console.present.charts.levels import in_reach
from autoloop_tui.console.present.charts.panel import Panel, facts_of
from autoloop_tui.console.present.charts.replicates import Replicates
from autoloop_tui.console.present.metric_delta import Delta, against, at_the_step_of
from autoloop_tui.console.widgets.chart_grid import ChartGrid
from autoloop_tui.console.widgets.run.metric_list import Figures, MetricList, ordered

LIST_FROM = 100
"""Minimum width in cells for the list of metrics beside a chart."""


class RunCharts(Horizontal):
    """Its owner always passes new data to `update`, and calls `paint` while the charts are on screen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.smooth = False
        self.pins: list[str] = []
        """Metrics that come first."""
        self.levels: Mapping[str, Sequence[Level]] = {}
        """Named lines drawn in the charts, by metric."""
        self._smoothed: dict[str, Smoother] = {}
        self._replicates = Replicates()
        """Replicates of the run and of its base."""
        self._figures: Figures | None = None
        self._view: View | None = None
        self._run: Run | None = None
        self._base: Run | None = None
        self._columns: Mapping[str, Series] = {}
        self._base_columns: Mapping[str, Series] = {}

    def compose(self) -> ComposeResult:
        yield ChartGrid(id="run-grid")
        yield MetricList(id="run-metrics")

    @property
    def grid(self) -> ChartGrid:
        return self.query_one(ChartGrid)

    # -------------------------------------------------------------------------------------------- called by the owner

    def update(
        self,
        view: View,
        run: Run,
        columns: Mapping[str, Series],
        base: Run | None,
        base_columns: Mapping[str, Series],
    ) -> None:
        """Take over new data and summarise a small part of it."""
        self._figures = self._figures or Figures(view.metrics)
        self._view, self._run, self._base = view, run, base
        self._columns, self._base_columns = columns, base_columns
        self._figures.update(columns, self.grid.chosen or view.key_metric)

    def read_on(self, feed: Feed) -> None:
        """Continue reading the history of one more replicate, round-robin: a key must not wait for all of them."""
        if self._view is not None and self._run is not None and self.display:
            self._replicates.read_on(feed, self._view, [each for each in (self._run, self._base) if each])

    def _over_seeds(self, run: Run, metric: str) -> Seeds | None:
        assert self._view is not None
        assert self._run is not None
        known = {self._run.id: self._columns, **({self._base.id: self._base_columns} if self._base else {})}
        return self._replicates.seeds(self._view, run, known, metric)

    def figure(self, name: str) -> MetricSummary | None:
        """Return the figures of a metric; None if not known yet."""
        found = self._figures.of(name) if self._figures else None
        return found or (self._run.summary.metrics.get(name) if self._run and self._run.summary else None)

    def base_figure(self, name: str) -> MetricSummary | None:
        """Return the base's figures of a metric: final ones, or those at the current step while the run is in training."""
        if self._run is None or self._view is None:
            return None
        if self._run.state.ended:
            return self._base.summary.metrics.get(name) if self._base and self._base.summary else None
        found = self.figure(name)
        return at_the_step_of({name: found}, self._base_columns, self._view.metrics).get(name) if found else None

    def to_base(self, name: str) -> Delta | None:
        """Return the change of a metric against the base run."""
        found, theirs = self.figure(name), self.base_figure(name)
        if found is None or theirs is None or self._view is None or self._run is None or self._base is None:
            return None
        return against(found, theirs, self._view.judge.between(self._run, self._base, name))

    def paint(self) -> None:
        if self._view is None or self._run is None or self._figures is None:
            return
        grid, metrics, book = self.grid, self.query_one(MetricList), self._view.metrics
        grid.empty = no_metrics(self._run)
        if self._run.summary and self._run.summary.metrics:
            grid.empty = "Reading its history …"
        names = ordered(self._columns, book, self.pins)
        grid.show_panels({name: plain(book.short(name)) for name in names}, self.panel)
        metrics.display = grid.zoomed and self.size.width >= LIST_FROM
        if metrics.display:
            metrics.paint(grid.names, grid.chosen, self._figures, self.to_base if self._base else None, book)

    def toggle_smooth(self) -> bool:
        self.smooth = not self.smooth
        self.paint()
        return self.smooth

    # -------------------------------------------------------------------------------------------- painting

    def panel(self, metric: str) -> Panel:
        """Return the contents of a metric's chart."""
        assert self._run is not None
        assert self._view is not None
        book, lines = self._view.metrics, self._lines(metric)
        name = plain(book.short(metric)) + (" smoothed" if self.smooth else "")
        found = self.figure(metric)
        facts = facts_of(lines[0], found, self.to_base(metric), book, metric, glyphs=self.grid.glyphs)
        high = self._run.total_steps or None
        pinned, levels = metric in self.pins, in_reach(self.levels.get(metric, ()), found)
        return Panel(name, lines, levels, facts, x_high=high, pinned=pinned, told=figures(found))

    def _lines(self, metric: str) -> list[Line]:
        assert self._run is not None
        assert self._view is not None
        series = self._columns[metric]
        badge = self._view.badge(self._run)
        seeds = self._over_seeds(self._run, metric)
        label = f"this run, band of {seeds.label}" if seeds else "this run"
        band = seeds.band if seeds else None
        lines = [Line(label, series, badge.colour, band=band, letter=badge.letter)]
        if self.smooth:
            smoothed = self._smoothed.setdefault(metric, Smoother()).of(series)
            lines.insert(0, Line("smooth", smoothed, badge.colour % COLOURS + 1))
        if self._base and metric in self._base_columns:
            letter, theirs = self._view.badge(self._base).letter, self._base_columns[metric]
            if seeds := self._over_seeds(self._base, metric):
                label = f"base, mean of {seeds.label}"
                lines.append(Line(label, seeds.mean, base=True, band=seeds.band, letter=letter))
            else:
                lines.append(Line("base", theirs, base=True, letter=letter))
        return lines

    def on_metric_list_chosen(self, event: MetricList.Chosen) -> None:
        event.stop()
        self.grid.choose(event.name)

    def on_chart_grid_moved(self, event: ChartGrid.Moved) -> None:
        event.stop()
        self.paint()
        self.call_after_refresh(self.paint)  # the list of metrics may have appeared or disappeared


def figures(found: MetricSummary | None) -> list[list[Piece]]:
    """Return a metric's figures as pieces."""
    if found is None:
        return []
    best = [("best", f"{number(found.best)} @ {found.best_step}")] if found.best is not None else []
    told = [("last", number(found.last)), *best, ("change", signed(found.delta)), ("noise", number(found.tail_mad))]
    return [[(f"{name} ", "dim"), (text, "")] for name, text in told]


def no_metrics(run: Run) -> str:
    """Return why there is nothing to draw."""
    if run.state is RunState.QUEUED:
        return "The run is queued; its metrics appear after it starts."
    if run.state is RunState.RUNNING:
        return "No metrics logged yet; startup is mostly imports."
    if run.state is RunState.LOST:
        return "It logged no metrics before its process disappeared; 2 shows its log."
    return "It ended before it logged a metric; 2 shows its log, 4 its command."
