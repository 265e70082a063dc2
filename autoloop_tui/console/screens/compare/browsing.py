"""The contents of Compare for up to six runs: the parameters that differ, all metrics, and one chart of all runs.

`screen.py` adds the keys.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import MetricSummary, Run, UserError
from autoloop.verdicts import Verdict
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.charts.replicates import Replicates
from autoloop_tui.console.present.compare.cells import ComparisonPainter, Side
from autoloop_tui.console.present.compare.comparison import (
    Comparison,
    Parameter,
    compare_metrics,
    default_runs,
    parameters,
)
from autoloop_tui.console.present.flat_config import flatten
from autoloop_tui.console.present.metric_delta import so_far
from autoloop_tui.console.screens.table_screen import TableScreen
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table

PARTS = ("parameters", "metrics", "chart")

LEAST = (4, 8)
"""Minimum readable rows of the metrics and of the chart."""

READ_SECONDS = 0.02
"""Approximate seconds per tick spent reading histories."""

SLOW = 4
"""Ticks between two polls of runs in training."""


class RunComparison(TableScreen):
    SCOPE = "compare"
    TITLE = "compare"
    CSS_PATH = "compare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("compare")

    def __init__(self) -> None:
        super().__init__()
        self.part = "parameters"
        self.everything = False
        self.alone = ""
        """The only run whose curve is drawn; empty for all."""
        self.sides: list[Side] = []
        self.by_default = False
        """No runs are marked, so the screen chose them."""
        self._parameters: dict[str, Parameter] = {}
        self._metrics: dict[str, Comparison] = {}
        self._configs: dict[str, dict[str, Any] | None] = {}
        """Flattened frozen configs by run, None if unreadable. They never change, so each is read once."""
        self._replicates = Replicates()
        self._stale = False  # Data was read that has not been painted.
        self._ticks = 0

    def body(self) -> ComposeResult:
        yield RowPane(id="legend")
        with Container(id="parts"):
            with Container(id="left"):
                yield Table(id="parameters")
                yield Table(id="metrics")
            yield Chart(id="chart")
        yield RowPane(id="detail")

    def on_mount(self) -> None:
        self._show_part("parameters")
        self.equivalent("app.compare")

    @property
    def table(self) -> Table:
        """The table that has the keys; beside the chart, it selects the metric."""
        return self.query_one("#parameters" if self.part == "parameters" else "#metrics", Table)

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        runs = self._runs(view)
        old = {side.run.id: side for side in self.sides}
        if [run.id for run in runs] != list(old):
            self._parameters = {}
        self.sides = []
        badges = view.badges(run.id for run in runs)
        for run in runs:
            before = old.get(run.id)
            columns = before.columns if before else {}
            # A new attempt has more to read, even if it extends the run in the same folder; so has a run in training.
            read = bool(before and before.read and before.run.attempts == run.attempts and run.state.ended)
            self.sides.append(Side(badges[run.id], run, self._config(run), columns, read))
        if not self._parameters:
            configs = [side.config for side in self.sides]
            self._parameters = {each.path: each for each in parameters(configs)}
        self._compare(view)
        self._share_height(view)
        self.call_after_refresh(self._paint)

    def _runs(self, view: View) -> list[Run]:
        """Return the marked runs, of any loop; if there are none, runs chosen by default."""
        found = []
        for run_id in self.console.marked:
            run = view.run(run_id)
            if run is None:
                try:
                    run = self.console.feed.store.run(run_id)
                except UserError:
                    continue
            found.append(run)
        self.by_default = not found
        chosen = default_runs(view.snapshot.runs, view.metrics) if not found else []
        return found or [run for run_id in chosen if (run := view.run(run_id)) is not None]

    def _config(self, run: Run) -> dict[str, Any] | None:
        if run.id not in self._configs:
            try:
                self._configs[run.id] = flatten(frozen_config(run))
            except UserError as error:
                self._configs[run.id] = None
                self.show_message(str(error), "slot-failed")
        return self._configs[run.id]

    def _compare(self, view: View) -> None:
        reached: list[Mapping[str, MetricSummary]] = []
        for side in self.sides:
            ended = side.run.summary
            reached.append(ended.metrics if ended else so_far(side.columns, view.metrics))
        runs = [side.run for side in self.sides]

        def verdict(ours: int, theirs: int, metric: str) -> Verdict | None:
            return view.judge.between(runs[ours], runs[theirs], metric)

        self._metrics = {each.metric: each for each in compare_metrics(reached, view.metrics, verdict)}

    def _share_height(self, view: View) -> None:
        """Distribute the height: the tables get what they need, the chart gets the rest."""
        self.query_one("#legend", RowPane).styles.height = len(self.sides) + 1 if self.sides else 1
        tables = [self.query_one(f"#{part}", Table) for part in ("parameters", "metrics")]
        narrow, wide = self.has_class("-narrow"), self.has_class("-xwide")
        if not self.sides:
            for name in PARTS:
                self.set_class(name == self.part, f"show-{name}")
            for widget in (*tables, self.query_one("#left")):
                widget.styles.height = "1fr"
            return
        room = self.size.height - 4 - len(self.sides) - 1 - (0 if wide or narrow else 12)
        _, two = self._painter(view).metric_columns(tables[1].row_width, list(self._metrics))
        wants = [max(5, len(self._shown()) + 2), len(self._metrics) * (2 if two else 1) + 2]
        if narrow:
            self._share_narrow(room, wants)
            return
        self.query_one("#chart").styles.height = "100%" if wide else "1fr"
        first = max(3, min(wants[0], room - min(wants[1], room // 2)))
        second = max(3, room - first if wide else min(wants[1], room - first))
        for table, height in zip(tables, (first, second), strict=True):
            table.styles.height = height
        self.query_one("#left").styles.height = "100%" if wide else first + second

    def _share_narrow(self, room: int, wants: list[int]) -> None:
        """Give the active part the height it needs, and the next part the rest if that is enough to be readable."""
        at = PARTS.index(self.part)
        need = wants[at] if at < len(wants) else room
        second = PARTS[at + 1] if at < len(wants) and room - need >= LEAST[at] else ""
        for name in PARTS:
            self.set_class(name in (self.part, second), f"show-{name}")
            self.query_one(f"#{name}").styles.height = need if second and name == self.part else "1fr"
        self.query_one("#left").styles.height = need if second == "chart" else "1fr"

    def _painter(self, view: View) -> ComparisonPainter:
        return ComparisonPainter(self.sides, view.metrics, glyphs=self.console.glyphs)

    def _shown(self) -> list[str]:
        return [path for path, each in self._parameters.items() if self.everything or each.differs]

    def _paint(self) -> None:
        if self.view is None:
            return
        painter = self._painter(self.view)
        self._paint_legend(painter)
        self._paint_parameters(painter)
        self._paint_metrics(painter)
        self._paint_chart(self.view)
        self._paint_detail(painter)

    def _paint_legend(self, painter: ComparisonPainter) -> None:
        pane, key = self.query_one("#legend", RowPane), self.console.keys_of
        width = pane.size.width
        note = painter.note(width, chosen=not self.by_default, rounds=key("app.rounds"), mark=key("rounds.mark"))
        pane.show([note, *(painter.legend(side, width) for side in self.sides)])

    def _paint_parameters(self, painter: ComparisonPainter) -> None:
        table, shown = self.query_one("#parameters", Table), self._shown()
        differing = sum(each.differs for each in self._parameters.values())
        table.title = "parameters"
        table.focused_part = self.part == "parameters"
        key = self.console.keys_of("compare.differences")
        table.status = [(f"{differing} of {len(self._parameters)} differ", "dim")]
        if self._parameters and not shown:
            table.empty = [
                (f"the {len(self._parameters)} parameters are the same in every run", ""),
                (f"{key} shows them", "dim"),
            ]
        elif not self.sides:
            rounds, mark = self.console.keys_of("app.rounds"), self.console.keys_of("rounds.mark")
            hints = "finished runs appear here", f"{mark} in Rounds ({rounds}) marks any run"
            table.empty = [("nothing to compare yet", ""), *((hint, "dim") for hint in hints)]
        else:
            table.empty = [("no config can be read", "slot-failed")]
        laid = painter.parameter_columns(table.row_width, [self._parameters[path] for path in shown])
        table.head = painter.head(laid)
        known = self._parameters  # The table may repaint its rows before it receives new ones.
        table.set_rows(shown, lambda path, width: painter.parameter(known[path], laid))

    def _rests_on(self, glyphs: Glyphs) -> str:
        """Return what the changes and the word "best" are based on."""
        judged = [delta for each in self._metrics.values() for delta in each.deltas if delta and delta.verdict]
        if any(delta.verdict.interval is not None for delta in judged if delta.verdict):
            return f"change of the tail mean over seeds; {glyphs.about} no difference shown"
        return "last values, within the run only" if self._metrics else ""

    def _paint_metrics(self, painter: ComparisonPainter) -> None:
        table = self.query_one("#metrics", Table)
        table.title = "metrics"
        table.focused_part = self.part == "metrics"
        table.status = [(self._rests_on(painter.glyphs), "dim")]
        table.empty = [("no metrics yet: they appear once the runs have logged some", "dim")]
        laid, two = painter.metric_columns(table.row_width, list(known := self._metrics))
        table.head = painter.head(laid)
        below = {f"\n{name}": name for name in known} if two else {}
        keys = [key for name in known for key in ((name, f"\n{name}") if two else (name,))]

        def paint(key: str, width: int) -> list[Piece]:
            if key in below:
                return painter.changes(known[below[key]], laid)
            return painter.metric(known[key], laid, two=two)

        table.set_rows(keys, paint, below.keys())

    def _paint_chart(self, view: View) -> None:
        chart, metric = self.query_one(Chart), self._metric()
        lines = {
            side.run.id: Line(plain(side.run.name), series, side.badge.colour, letter=side.letter)
            for side in self.sides
            if metric and (series := side.columns.get(metric)) and self.alone in ("", side.run.id)
        }
        columns = {side.run.id: side.columns for side in self.sides}
        banded = self._replicates.with_bands(view, lines, columns, metric or "")
        title = "chart"
        if metric is not None:
            place, count = list(self._metrics).index(metric) + 1, len(self._metrics)
            where = f"metric {place} of {count}: " if self.size.width >= 100 else f"{place} of {count}: "
            title = where + plain(view.metrics.short(metric))
        chart.chart_title = title  # Displayed by set_series, so that a large chart is drawn only once.
        chart.unit = "bands: seeds, min to max" if any(line.band for line in banded) else ""
        chart.set_series(banded)

    def _paint_detail(self, painter: ComparisonPainter) -> None:
        pane, row = self.query_one("#detail", RowPane), list[Piece]()
        if self.part == "parameters" and (path := self.query_one("#parameters", Table).cursor) in self._parameters:
            row = painter.parameter_in_full(self._parameters[path], pane.size.width)
        elif (metric := self._metric()) is not None:
            row = painter.metric_in_full(self._metrics[metric], pane.size.width)
        pane.show([row])

    def _metric(self) -> str | None:
        """The metric in the chart: the one under the cursor."""
        cursor = self.query_one("#metrics", Table).cursor
        return cursor if cursor in self._metrics else next(iter(self._metrics), None)

    # ---------------------------------------------------------------------------------------------------------- clock

    def tick(self) -> None:
        view = self.view
        if view is None:
            return
        self._ticks += 1
        if self._replicates.read_on(self.console.feed, view, [side.run for side in self.sides]):
            self._paint_chart(view)
        unread = [side for side in self.sides if not side.read]
        if not unread or (self._ticks % SLOW and all(side.caught_up for side in unread)):
            return
        until = time.monotonic() + READ_SECONDS
        for side in unread[self._ticks % len(unread) :] + unread[: self._ticks % len(unread)]:
            columns, before = self.console.feed.read(side.run), side.caught_up
            side.caught_up = columns is side.columns and not self.console.feed.arrives(side.run)
            side.read = side.caught_up and side.run.state.ended
            self._stale = self._stale or columns is not side.columns or side.caught_up != before or side.read
            side.columns = columns
            if time.monotonic() > until:
                break
        if self._stale and (self._ticks % SLOW == 0 or all(side.caught_up for side in self.sides)):
            self._stale = False
            self._compare(view)
            self._paint()

    # ---------------------------------------------------------------------------------------------------------- parts

    def _show_part(self, part: str) -> None:
        self.part = part
        if self.view is not None:
            self._share_height(self.view)
            self.call_after_refresh(self._paint)

    def on_table_moved(self) -> None:
        if self.view is not None:
            self._paint_chart(self.view)
            self._paint_detail(self._painter(self.view))

    def show_metric(self, metric: str) -> None:
        """Move the cursor to a metric once the table contains it."""

        def go() -> None:
            if metric in self._metrics:
                self._show_part("metrics")
                self.query_one("#metrics", Table).go_to(metric)

        self.call_after_refresh(lambda: self.call_after_refresh(go))
