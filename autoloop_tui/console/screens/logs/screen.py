"""The merged logs of all slots in chronological order; each line has the letter and colour of its run."""

from __future__ import annotations

from typing import ClassVar

from autoloop.model import Run
from textual.binding import BindingType

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.paint import cells, plain
from autoloop_tui.console.drawing.pieces import Piece, wide
from autoloop_tui.console.logs.merged import MergedLog
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.widgets.merged_tail import MergedTail
from autoloop_tui.console.widgets.row_pane import DrawnPane, RowPane

LEGEND = 3
"""Maximum number of rows of the legend of runs."""

TITLE = "logs of all slots by time"


class LogsScreen(LoopScreen):
    SCOPE = "logs"
    TITLE = "logs"
    DEFAULT_CSS = "LogsScreen MergedTail { height: 1fr; } LogsScreen #logs-runs { height: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings("logs")

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[tuple[str, str]] = []
        """The runs whose logs are open, with the folders of their attempts."""

    def body(self) -> list[RowPane]:
        return [DrawnPane(id="logs-runs"), MergedTail(id="logs")]

    def on_mount(self) -> None:
        self.query_one(MergedTail).focus()
        self.equivalent("app.logs")

    def show_view(self, view: View) -> None:
        runs = [run for slot in view.loop.spec.slots if (run := view.in_slots.get(slot.index)) and view.log_path(run)]
        pane, feed, badges = self.query_one(MergedTail), self.console.feed, view.badges(run.id for run in runs)
        shown = [(run.id, str(view.log_path(run))) for run in runs]
        pane.ended = all(run.state.ended for run in runs)
        if shown != self._shown:
            self._shown = shown
            paths = [(path, feed.secrets(run)) for run in runs if (path := view.log_path(run))]
            title = self.console.glyphs.dot.join(filter(None, [TITLE, feed.unmasked]))
            pane.show_logs(MergedLog(paths) if paths else None, [badges[run.id] for run in runs], title)
        self._paint_runs([(run, badges[run.id]) for run in runs])

    def _paint_runs(self, runs: list[tuple[Run, Badge]]) -> None:
        """Paint the legend in as many rows as it needs; if the runs do not fit, show how many more there are."""
        pane = self.query_one("#logs-runs", DrawnPane)
        width, rows = self.size.width, list[list[Piece]]([[]])
        for place, (run, badge) in enumerate(runs):
            told: list[Piece] = [(f" {badge.letter} ", f"bold {badge.look}"), (f"{plain(run.name)} ", "")]
            rest = f" {len(runs) - place} more"
            left = width - (cells(rest) if len(rows) == LEGEND and place < len(runs) - 1 else 0)
            if rows[-1] and wide([*rows[-1], *told]) > left:
                if len(rows) == LEGEND:
                    rows[-1].append((rest, "dim"))
                    break
                rows.append([])
            rows[-1] += told
        pane.styles.height = len(rows)
        pane.show_drawn(lambda width, height: rows)

    def tick(self) -> None:
        self.query_one(MergedTail).tick()
