"""The pane below the table of slots: the log, charts and config of the selected run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from autoloop.gpus import Gpu
from autoloop.model import Run, Slot
from textual.app import ComposeResult
from textual.containers import Container

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.drawing.pieces import Piece, heading
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.slots.best_chart import best_rows
from autoloop_tui.console.present.slots.facts import chart_lines, config_rows, cut
from autoloop_tui.console.present.slots.gpu_rows import gpu_rows
from autoloop_tui.console.telemetry import GpuFile
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.row_pane import DrawnPane, RowPane

CHARTS = 3

LOWEST = 4
"""Minimum rows of a chart including its title; fewer show no curve."""

TALL = 30
"""Minimum rows of a screen that shows a run's GPU usage."""


class SlotDetail(Container):
    """The style sheet determines which of its parts are side by side and which are hidden."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._first_metric = 0
        self._best: object = None
        """The data that the chart of the best was last drawn from."""
        self._gpu_file = GpuFile()
        self.gpus: Mapping[int, Gpu] = {}
        """By slot, the last sample of its first GPU."""
        self._config: tuple[str, int, list[list[Piece]]] | None = None
        """The last config rows: run, width, rows."""

    def compose(self) -> ComposeResult:
        yield LogTail(id="log")
        with Container(id="charts"):
            with Container(id="charts-grid"):
                yield Chart(id="chart0")
                yield DrawnPane(id="best")
                for n in range(1, CHARTS):
                    yield Chart(id=f"chart{n}")
            yield RowPane(id="gpu")
        yield RowPane(id="config")

    @property
    def log_pane(self) -> LogTail:
        return self.query_one(LogTail)

    @property
    def _glyphs(self) -> Glyphs:
        return self.log_pane.glyphs

    def show(self, view: View, feed: Feed, slot: Slot) -> None:
        """Show everything about the run that holds the slot or held it last."""
        run = view.in_slots.get(slot.index)
        self._open_log(view, feed, slot, run)
        self.show_charts(view, feed, slot)
        self._show_config(view, run)

    def _open_log(self, view: View, feed: Feed, slot: Slot, run: Run | None) -> None:
        log, dot = self.log_pane, self._glyphs.dot
        title = f"log{dot}{slot.label}"
        if run is None:
            log.open(None, title, "this slot has not run anything yet")
        else:
            title = dot.join(filter(None, [title, plain(run.name), feed.unmasked]))
            log.ended = run.state.ended
            log.open(view.log_path(run), title, "the log appears when the run starts", feed.secrets(run))

    def show_charts(self, view: View, feed: Feed, slot: Slot) -> None:
        """Update only the charts from data already read."""
        charts = list(self.query(Chart))
        if not charts[0].is_on_screen:
            return
        self._make_room()
        run = view.in_slots.get(slot.index)
        lines = chart_lines(view, feed, run, self._first_metric, CHARTS)
        for chart, (title, series) in zip(charts, lines, strict=False):
            if title != chart.chart_title:
                chart.set_title(title)
            chart.set_series(series, x_high=run.total_steps if run else None)
        self._show_best(view)
        self._show_gpu(view, feed, slot, run)

    def _make_room(self) -> None:
        """Show fewer charts if each would have fewer than LOWEST rows."""
        grid = self.query_one("#charts-grid")
        side_by_side = 2 if self.screen.has_class("-xwide") else 1
        for place, chart in enumerate(grid.children):
            chart.set_class(place >= side_by_side * max(1, grid.size.height // LOWEST), "-no-room")

    def _show_best(self, view: View) -> None:
        found = view.outcome
        first = view.snapshot.runs[0] if found is None and view.snapshot.runs else None
        drawn = (found, first and first.state, view.key_metric, self._glyphs)
        if drawn != self._best:
            self._best = drawn
            metric = view.metrics.short(found.metric if found else view.key_metric)
            draw = partial(best_rows, found, view.loop.spec.rounds, metric, first, glyphs=self._glyphs)
            self.query_one("#best", DrawnPane).show_drawn(draw)

    def _show_gpu(self, view: View, feed: Feed, slot: Slot, run: Run | None) -> None:
        """Show the GPU rows only for a run with GPU samples."""
        pane = self.query_one("#gpu", RowPane)
        attempt = view.snapshot.attempts.get(run.id) if run else None
        history = self._gpu_file.of(Path(attempt.directory)) if attempt else None
        shown = bool(history and history.points) and self.screen.size.height >= TALL
        if pane.display != shown:
            pane.display = shown
            self.screen.call_after_refresh(self.show_charts, view, feed, slot)
        elif history and shown:
            gpu = self.gpus.get(slot.index)
            most = gpu.memory_total if gpu else None
            pane.show(gpu_rows(history, slot.label, pane.size.width, memory=most, glyphs=self._glyphs))

    def _show_config(self, view: View, run: Run | None) -> None:
        pane = self.query_one("#config", RowPane)
        if not pane.is_on_screen:
            return
        width, height = pane.size
        title = f"config{self._glyphs.dot}{plain(run.name)}" if run else "config"
        rows = [heading(title, [], width, focused=False, glyphs=self._glyphs)]
        pane.show([*rows, *cut(self._config_of(view, run, width) if run else [[("no run here", "dim")]], height - 1)])

    def _config_of(self, view: View, run: Run, width: int) -> list[list[Piece]]:
        """Return the config rows. Frozen configs never change, so they are read and compared once per selected run."""
        if self._config is None or self._config[:2] != (run.id, width):
            self._config = (run.id, width, config_rows(view, run, width, glyphs=self._glyphs))
        return self._config[2]

    def turn_metrics(self, pages: int) -> None:
        """Page forward or back by the number of visible charts; `show_charts` shows the result."""
        self._first_metric += pages * max(1, sum(chart.is_on_screen for chart in self.query(Chart)))

    def toggle_log_y(self) -> None:
        for chart in self.query(Chart):
            chart.toggle_log_y()
