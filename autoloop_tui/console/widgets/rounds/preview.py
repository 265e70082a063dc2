"""A preview of the selected run: its curve over that of its base, and its config changes."""

from __future__ import annotations

from collections.abc import Mapping

from autoloop.model import Run, Series
from textual.app import ComposeResult
from textual.containers import Container

from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.drawing.pieces import Piece, heading
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.notes import note_rows, notes_of_run
from autoloop_tui.console.present.proposals.detail import change_rows
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.row_pane import RowPane

NOTES = 4
"""Maximum rows of notes; the run's own screen shows more."""


class RunPreview(Container):
    """Histories are read after a key press has been painted and at each tick; those already read are painted at once."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run: Run | None = None
        self._base: Run | None = None
        self._view: View | None = None
        self._metric = ""
        self._columns: dict[str, Mapping[str, Series]] = {}
        """By run, as far as they have been read."""
        self._settled: set[str] = set()
        """Runs whose histories are complete."""

    def compose(self) -> ComposeResult:
        yield Chart(id="curve")
        yield RowPane(id="changes")

    def show_run(
        self, view: View, run: Run | None, base: Run | None, metric: str, known: Mapping[str, Mapping[str, Series]]
    ) -> None:
        """Show a run of the current loop; None if the selected run has no history here. `known`: their histories read so
        far, by run."""
        before = {each.id for each in (self._run, self._base) if each}
        self._view, self._run, self._base, self._metric = view, run, base, metric
        now = {each.id for each in (run, base) if each}
        self._columns = {name: known[name] for name in now if known.get(name)}
        self._settled = {each for each in self._settled if each in now and each in before}
        for each in (run, base):
            if each is not None and not each.state.ended:
                self._settled.discard(each.id)
        self.repaint()

    def read(self, feed: Feed) -> bool:
        """Continue reading; return whether there is nothing more to read for now."""
        wanted = [each for each in (self._run, self._base) if each and each.id not in self._settled]
        if not self.display or not wanted:
            return True
        for each in wanted:
            columns, before = feed.read(each), self._columns.get(each.id)
            self._columns[each.id] = columns
            if (columns is before and not feed.arrives(each)) or each.output_dir is None:
                self._settled.add(each.id)
        self._paint_curve()
        return all(each.id in self._settled for each in wanted)

    def on_resize(self) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        self._paint_curve()
        self._paint_changes()

    def _paint_curve(self) -> None:
        chart, run = self.query_one("#curve", Chart), self._run
        if run is None or self._view is None:
            chart.set_title("no curve: open the run's loop to load it" if self._view and self._metric else "")
            chart.set_series([])
            return
        chart.chart_title = plain(self._view.metrics.short(self._metric)) if self._metric else "no metric yet"
        lines = []
        for each, base in ((run, False), (self._base, True)):
            series = self._columns.get(each.id, {}).get(self._metric) if each else None
            if each and series is not None:
                lines.append(Line(plain(each.name), series, colour=self._view.badge(each).colour, base=base))
        chart.set_series(lines, x_high=run.total_steps or None)

    def _paint_changes(self) -> None:
        pane, run = self.query_one("#changes", RowPane), self._run
        width, height = pane.size
        if width <= 0 or height <= 0:
            return
        glyphs = pane.glyphs
        title = f"changes from {plain(self._base.name)}" if self._base else "changes"
        rows: list[list[Piece]] = [heading(title, [], width, focused=False, glyphs=glyphs)]
        notes = notes_of_run(self._view.snapshot.notes, run) if self._view and run else []
        noted = note_rows(notes, width - 2, most=max(0, min(NOTES, height - 2)))
        if run is None:
            rows = [heading("", [], width, focused=False, glyphs=glyphs)]
        elif not run.changes:
            rows.append([(" baseline, unchanged" if run.base_run is None else " the same config", "dim")])
        else:
            changes = change_rows(run.changes, width - 2, glyphs)
            rows += changes
            room = height - len(noted)
            if len(rows) > room:
                left = len(run.changes) - sum(not row[0][0].startswith("    ") for row in changes[: room - 2])
                rows = [*rows[: room - 1], [(f"  {glyphs.ellipsis} more: enter, then d", "dim")]] if left > 0 else rows
        pane.show([*rows, *noted])
