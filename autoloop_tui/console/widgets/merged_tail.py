"""A pane for several merged logs; each line has the letter and colour of its run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.logs.merged import MergedLog
from autoloop_tui.console.widgets.log_tail import LogTail


class MergedTail(LogTail):
    """Its owner calls `show_logs`, and `tick` on the app's timer."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._badges: Sequence[Badge] = ()

    def show_logs(self, log: MergedLog | None, badges: Sequence[Badge], title: str) -> None:
        """Show `log`, which merges the logs of the runs with these badges."""
        self._badges = badges
        self.show_log(log, title, "no slot has run anything yet")

    def _parts(self, index: int, line: str) -> tuple[list[Piece], list[Piece], str]:
        gutter, pieces, look = super()._parts(index, line)
        if isinstance(self.log_file, MergedLog):
            badge = self._badges[self.log_file.source(self._number(index))]
            wide = max(len(each.letter) for each in self._badges)
            gutter.append((f"{badge.letter:>{wide}} ", f"bold {badge.look}"))
        return gutter, pieces, look

    def _in_file(self) -> tuple[Path, int] | None:
        """Return the log of the run whose line is under the cursor, and the line's number there."""
        if isinstance(self.log_file, MergedLog) and self._total:
            return self.log_file.place(self._line_at(self._cursor))
        return None
