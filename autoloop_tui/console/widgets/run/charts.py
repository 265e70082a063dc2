"""The charts of one run: a large one of the chosen metric, and beside it all metrics with their figures."""

from __future__ import annotations

from collections.abc import Mapping

from autoloop.model import MetricSummary, Run, RunState, Series
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message

from autoloop_tui.console.drawing.badges import COLOURS
from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import number, plain, signed
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.drawing.smoothing import Smoothed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.metric_delta import Delta, against, at_the_step_of
from autoloop_tui.console.present.run.header import clipped
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.run.metric_list import Figures, MetricList, ordered
from autoloop_tui.console.widgets.text_pane import TextPane


class RunCharts(Horizontal):
    """Its owner gives it what was read with `update`, always, and calls `paint` while it is on the screen."""

    class Moved(Message):
        """Another metric was chosen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.metric: str | None = None
        """The one in the chart, by its canonical name."""
        self.smooth = False
        self._smoothed = Smoothed()
        self._figures: Figures | None = None
        self._view: View | None = None
        self._run: Run | None = None
        self._base: Run | None = None
        self._columns: Mapping[str, Series] = {}
        self._base_columns: Mapping[str, Series] = {}

    def compose(self) -> ComposeResult:
        with Vertical(id="run-plot"):
            yield Chart(id="run-chart")
            yield TextPane(middle=True, id="run-nothing")
            yield RowPane(id="run-figures")
        yield MetricList(id="run-metrics")

    # -------------------------------------------------------------------------------------------- the owner's calls

    def update(
        self,
        view: View,
        run: Run,
        columns: Mapping[str, Series],
        base: Run | None,
        base_columns: Mapping[str, Series],
    ) -> None:
        """Take in what is known now. Sums up a little of it."""
        self._figures = self._figures or Figures(view.metrics)
        self._view, self._run, self._base = view, run, base
        self._columns, self._base_columns = columns, base_columns
        self._figures.update(columns, self.metric or view.key_metric)

    def figure(self, name: str) -> MetricSummary | None:
        """What a metric has reached; None if it is not known yet."""
        found = self._figures.of(name) if self._figures else None
        return found or (self._run.summary.metrics.get(name) if self._run and self._run.summary else None)

    def base_figure(self, name: str) -> MetricSummary | None:
        """What a metric of the base has reached: as it ended, and where the run goes on, at the step it has reached."""
        if self._run is None or self._view is None:
            return None
        if self._run.state.ended:
            return self._base.summary.metrics.get(name) if self._base and self._base.summary else None
        found = self.figure(name)
        return at_the_step_of({name: found}, self._base_columns, self._view.metrics).get(name) if found else None

    def to_base(self, name: str) -> Delta | None:
        """The change of a metric against the base run."""
        found, theirs = self.figure(name), self.base_figure(name)
        if found is None or theirs is None or self._view is None or self._run is None or self._base is None:
            return None
        return against(found, theirs, self._view.judge.between(self._run, self._base, name))

    def paint(self) -> None:
        if self._view is None or self._run is None or self._figures is None:
            return
        book = self._view.metrics
        names = ordered(self._columns, book)
        if self.metric not in names:
            self.metric = names[0] if names else None
        chart = self.query_one(Chart)
        chart.display = bool(names)
        self.query_one("#run-nothing", TextPane).show_text("" if names else no_metrics(self._run))
        self.query_one(MetricList).paint(names, self.metric, self._figures, self.to_base if self._base else None, book)
        self._paint_figures(names)
        if self.metric is None:
            return
        chart.set_title(book.short(self.metric) + (" smoothed" if self.smooth else ""))
        chart.set_series(self._lines(self.metric), x_high=self._run.total_steps or None)

    def step(self, by: int) -> None:
        """Choose the next metric, or the one before."""
        names = ordered(self._columns, self._view.metrics) if self._view else []
        if names and self.display:
            at = names.index(self.metric) if self.metric in names else 0
            self._choose(names[(at + by) % len(names)])

    def toggle_log_y(self) -> bool:
        chart = self.query_one(Chart)
        chart.toggle_log_y()
        return chart.log_y

    def toggle_smooth(self) -> bool:
        self.smooth = not self.smooth
        self.paint()
        return self.smooth

    # -------------------------------------------------------------------------------------------- painting

    def _lines(self, metric: str) -> list[Line]:
        assert self._run is not None
        assert self._view is not None
        series = self._columns[metric]
        badge = self._view.badge(self._run)
        lines = [Line("this run", series, badge.colour, letter=badge.letter)]
        if self.smooth:
            lines.insert(0, Line("smooth", self._smoothed.of(series), badge.colour % COLOURS + 1))
        if self._base and metric in self._base_columns:
            base = self._view.badge(self._base)
            lines.append(Line("base", self._base_columns[metric], base=True, letter=base.letter))
        return lines

    def _paint_figures(self, names: list[str]) -> None:
        """One line under the chart, for where the list of metrics has no room."""
        pane = self.query_one("#run-figures", RowPane)
        if self.metric is None or self._view is None or not pane.size.width:
            pane.show([])
            return
        row: list[Piece] = [(f" {names.index(self.metric) + 1}/{len(names)} ", "dim")]
        row.append((plain(self._view.metrics.short(self.metric)), "bold"))
        if found := self.figure(self.metric):
            for name, text in (
                ("last", number(found.last)),
                *([("best", f"{number(found.best)} @ {found.best_step}")] if found.best is not None else []),
                ("change", signed(found.delta)),
                ("noise", number(found.tail_mad)),
            ):
                row += [(f"  {name} ", "dim"), (text, "")]
        pane.show([clipped(row, pane.size.width, pane.glyphs)])

    def on_metric_list_chosen(self, event: MetricList.Chosen) -> None:
        event.stop()
        self._choose(event.name)

    def _choose(self, name: str) -> None:
        self.metric = name
        self.post_message(self.Moved())


def no_metrics(run: Run) -> str:
    """Why there is nothing to draw."""
    if run.state is RunState.QUEUED:
        return "It waits in the queue: its metrics are drawn when it has started."
    if run.state is RunState.RUNNING:
        return "It has not logged a metric yet: most of a start is imports."
    if run.state is RunState.LOST:
        return "It logged no metric before its process vanished; 2 shows its log."
    return "It ended before it logged a metric; 2 shows its log, 4 how it was started."
