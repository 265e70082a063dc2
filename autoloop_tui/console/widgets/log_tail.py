"""The log pane with its commands: search, filter, jump to the error, copy a line, open in a pager."""

from __future__ import annotations

import os
import shlex
import subprocess
from bisect import bisect_left
from pathlib import Path
from typing import ClassVar, Literal

from textual.actions import SkipAction
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType

from autoloop_tui.console.logs.search import ERRORS, Matches, Query, Search
from autoloop_tui.console.widgets.log_view import LogView

_PLACEHOLDERS = {
    "search": "incremental search: text, or /pattern/ - esc: go back",
    "filter": "show only: text, or /pattern/ - empty: show all",
}


class LogTail(LogView):
    """A LogView with key bindings. A search never blocks the screen: it runs in short steps."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "ask('search')", "Search", show=False, id="log.search"),
        Binding("n", "again(1)", "Next match", show=False, id="log.next"),
        Binding("N", "again(-1)", "Previous match", show=False, id="log.previous"),
        Binding("ampersand,f", "ask('filter')", "Only matching lines", show=False, id="log.filter"),
        Binding("exclamation_mark", "error", "Last error", show=False, id="log.error"),
        Binding("y", "copy", "Copy line", show=False, id="log.copy"),
        Binding("V", "pager", "Open in $PAGER", show=False, id="log.pager"),
        Binding("escape", "back", "Clear the search, then the filter", show=False, id="log.back"),
    ]

    _asking: Literal["search", "filter"] = "search"
    _share_above = 0.5
    _origin = True, 0, 0
    """The state before the prompt was opened: whether the log was followed, the first visible line, the cursor."""

    # -------------------------------------------------------------------------------------------- prompt

    def action_ask(self, what: Literal["search", "filter"]) -> None:
        if self.log_file is not None:
            self._asking, self._origin = what, (self.following, self._top, self._cursor)
            filtered = self._matches.query if self._matches else None
            self.ask(_PLACEHOLDERS[what], self._query if what == "search" else filtered)

    def typed(self, query: Query | None) -> None:
        """Show the first match while a search is being typed."""
        if self._asking == "search" and query != self._query:
            self._go_back()
            if query is None:
                self._forget()
            else:
                self.search(query)

    def answered(self, query: Query | None) -> None:
        if self._asking == "filter":
            self.filter(query)
        else:
            self.typed(query)
            self.repaint()

    def _give_up(self) -> None:
        self._go_back()
        super()._give_up()
        self._go_back()
        self.repaint()

    def _go_back(self) -> None:
        """Restore the position from before the prompt was opened."""
        self._search = None
        self.following, self._top, self._cursor = self._origin

    def _forget(self) -> None:
        self._query = self._search = self._hits = None
        self._note = ("", "")
        self.repaint()

    def action_back(self) -> None:
        if self._query is not None:
            self._forget()
        elif self._matches is not None:
            self.filter(None)
        else:
            raise SkipAction  # Let the key bubble: outside it means "back".

    # -------------------------------------------------------------------------------------------- searching

    def search(self, query: Query) -> None:
        """Go to the next line that matches `query`; to the newest one if the log is being followed."""
        self._query = query
        self._count_hits()
        if self.following:
            self._look((query,), (self.log_file.count if self.log_file else 0) - 1, backward=True)
        else:
            self._look((query,), self._line_at(self._cursor), backward=False)

    def filter(self, query: Query | None) -> None:
        """Show only lines that match `query`; None shows all lines and keeps the line under the cursor in view."""
        at = self._line_at(self._cursor)
        self._matches = Matches(self.log_file, query) if self.log_file and query else None
        if self._matches:
            self._go_on_following()
            self.tick()
        elif not self.following:
            self._show_line(at, 0.5)
        self._seen = self._total
        self._count_hits()
        self.repaint()

    def action_again(self, direction: int) -> None:
        query = self._query or (self._matches.query if self._matches else None)
        if query is None:
            raise SkipAction  # Let the key bubble: it may have another meaning outside.
        if self._total:
            self._look((query,), self._line_at(self._cursor) + direction, backward=direction < 0)

    def action_error(self) -> None:
        """Go to the last error; pressed again, to the one before it."""
        if self.log_file is not None:
            start = self.log_file.count if self.following else self._line_at(self._cursor)
            self._look(ERRORS, start - 1, backward=True, share_above=0.75)

    def _look(self, queries: tuple[Query, ...], start: int, *, backward: bool, share_above: float = 0.5) -> None:
        if self.log_file is None or not self.log_file.count:
            return
        start %= self.log_file.count
        only = self._matches.query if self._matches else None
        self._search = Search(self.log_file, queries, start, backward=backward, only=only)
        self._share_above = share_above
        self._go_on_looking(self._search)

    def _go_on_looking(self, search: Search) -> None:
        if search is not self._search:
            return  # Superseded by another search or file, or cancelled.
        if not search.step():
            self.set_timer(0.001, lambda: self._go_on_looking(search))
        else:
            self._search = None
            if search.found is not None:
                self._stand_still()
                self._show_line(search.found, self._share_above)
            note = "not found" if search.found is None else "wrapped around" if search.wrapped else ""
            self._note = (note, "slot-warn")
        self.repaint()

    def _line_at(self, index: int) -> int:
        """Return the line of the file at row `index` of the display."""
        return self._number(min(index, self._total - 1)) if self._total else 0

    def _show_line(self, number: int, share_above: float) -> None:
        index = bisect_left(self._matches.numbers, number) if self._matches else number
        self._cursor = index
        if not self._top <= index < self._top + self._height:
            self._top = max(0, min(index - int(self._height * share_above), self._total - self._height))

    # -------------------------------------------------------------------------------------------- copy and pager

    def action_copy(self) -> None:
        """Copy the line under the cursor, or the last one, to the clipboard of the user's terminal (OSC 52)."""
        if self.log_file is None or not self._total:
            return
        self.app.copy_to_clipboard(self.log_file.line(self._line_at(self._cursor)))
        self._note = ("line copied", "slot-finished")
        self.repaint()

    def _in_file(self) -> tuple[Path, int] | None:
        """Return the file shown, and the number of the line under the cursor."""
        return None if self.log_file is None else (self.log_file.path, self._line_at(self._cursor))

    def action_pager(self) -> None:
        """Open the file in $PAGER, at the current line if the pager supports that; no shell is involved."""
        if (found := self._in_file()) is None:
            return
        path, line = found
        try:
            command = shlex.split(os.environ.get("PAGER") or "less")
        except ValueError:
            command = []
        if not command:
            self._note = ("$PAGER is not a command", "slot-failed")
        else:
            at = [f"+{line + 1}"] if os.path.basename(command[0]) in ("less", "more") else []
            try:
                with self.app.suspend():
                    subprocess.run([*command, *at, str(path.absolute())], check=False)
            except OSError as error:
                self._note = (f"cannot start {command[0]}: {error.strerror}", "slot-failed")
            except SuspendNotSupported:
                self._note = ("cannot run a pager in this terminal", "slot-warn")
        self.repaint()
