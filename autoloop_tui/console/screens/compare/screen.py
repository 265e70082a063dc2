"""The keys of the Compare screen, which choose what is shown. `browsing.py` has its contents."""

from __future__ import annotations

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.screens.compare.browsing import PARTS, RunComparison
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.table import Table


class CompareScreen(RunComparison):
    """Compares up to six runs."""

    def action_next_part(self) -> None:
        parts = PARTS if self.has_class("-narrow") else PARTS[:2]
        place = parts.index(self.part) if self.part in parts else -1
        self._show_part(parts[(place + 1) % len(parts)])

    def action_left(self) -> None:
        self.action_right(-1)

    def action_right(self, step: int = 1) -> None:
        names, metric = list(self._metrics), self._metric()
        if metric is not None:
            self.query_one("#metrics", Table).go_to(names[(names.index(metric) + step) % len(names)])

    def action_differences(self) -> None:
        self.everything = not self.everything
        if self.view is not None:
            self._share_height(self.view)
        self.call_after_refresh(self._paint)
        self.show_message("every parameter" if self.everything else "only parameters that differ")

    def action_isolate(self) -> None:
        """Show each curve alone in the chart, one after the other, then all again."""
        runs = ["", *(side.run.id for side in self.sides)]
        place = runs.index(self.alone) if self.alone in runs else 0
        self.alone = runs[(place + 1) % len(runs)]
        if self.view is not None:
            self._paint_chart(self.view)
        side = next((side for side in self.sides if side.run.id == self.alone), None)
        self.show_message(f"only {side.letter}, {plain(side.run.name)}, is drawn" if side else "every run is drawn")

    def action_log_y(self) -> None:
        self.query_one(Chart).toggle_log_y()

    def refusal(self, action: str) -> str:
        if action == "compare.clear" and self.by_default:
            return "no marks: these runs were chosen automatically"
        return "there are fewer than two runs to compare" if action == "compare.isolate" and len(self.sides) < 2 else ""

    def action_clear(self) -> None:
        self.console.marked.clear()
        if self.view is not None:
            self.show_view(self.view)
        self.show_message("all marks cleared")
