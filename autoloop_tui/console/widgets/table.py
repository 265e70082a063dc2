"""A table for thousands of rows: only visible rows are created, and the cursor is kept by key rather than by position."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from autoloop.text.values import count
from textual import events
from textual.message import Message

from autoloop_tui.console.drawing.paint import cells
from autoloop_tui.console.drawing.pieces import Piece, heading, message
from autoloop_tui.console.widgets.row_pane import RowPane

GUTTER = 2
"""Cells on the left for the cursor."""


class Table(RowPane):
    """Rows by key; section heads among them are skipped by the cursor. The owner creates a row when asked to."""

    HEADING: ClassVar[bool] = True
    """Whether a rule with the title is shown above the column heads."""

    class Moved(Message):
        """The cursor is on another row, or its row has disappeared."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.cursor: str | None = None
        """The key of the selected row."""
        self.title = ""
        self.status: list[Piece] = []
        self.head: list[Piece] = []
        self.focused_part = True
        """Whether this part of the screen receives the keys."""
        self.empty: list[Piece] = []
        self.keys: Sequence[str] = ()
        """All rows, in order."""
        self._sections: Collection[str] = ()
        self._places: dict[str, int] = {}
        self._selectable: list[int] = []
        self._paint: Callable[[str, int], list[Piece]] = lambda key, width: []
        self._top = 0

    # --------------------------------------------------------------------------------------------- called by the owner

    def set_rows(
        self, keys: Sequence[str], paint: Callable[[str, int], list[Piece]], sections: Collection[str] = ()
    ) -> None:
        """Show `keys`. `paint(key, width)` creates a row when it becomes visible. `sections`: keys that are section heads.

        The selected row keeps its position on the screen, even if its index changes.
        """
        self._paint = paint
        if keys != self.keys or sections != self._sections:
            place = self._places.get(self.cursor or "", 0)
            line_of_cursor = place - self._top
            self.keys, self._sections = list(keys), sections
            self._places = {key: index for index, key in enumerate(self.keys)}
            self._selectable = [index for index, key in enumerate(self.keys) if key not in sections]
            if self.cursor in self._places:
                self._top = self._places[self.cursor] - line_of_cursor
            else:
                self._go_near(place)
                self.post_message(self.Moved())
        self.repaint()

    def move(self, by: int) -> None:
        """Move down by `by` rows, up if negative; stop at the ends."""
        if self._selectable:
            self._go(min(max(self._position + by, 0), len(self._selectable) - 1))

    def page(self, direction: int) -> None:
        """Move half a page down (1) or up (-1)."""
        self.move(direction * max(1, self._height // 2))

    def first(self) -> None:
        self.move(-len(self._selectable))

    def last(self) -> None:
        self.move(len(self._selectable))

    def go_to(self, key: str) -> None:
        """Move the cursor to a row if it exists."""
        if key in self._places and key not in self._sections:
            self._go(bisect_left(self._selectable, self._places[key]))

    @property
    def in_window(self) -> Sequence[str]:
        """Keys of the visible rows."""
        return self.keys[self._top : self._top + self._height]

    @property
    def row_width(self) -> int:
        """Width of a row in cells, between the cursor and the right edge, which stays free."""
        return max(0, self.size.width - GUTTER - 1)

    # ------------------------------------------------------------------------------------------------------- painting

    def repaint(self) -> None:
        """Recreate the visible rows; only changed rows are painted."""
        width, height = self.size
        if width <= 0 or height <= 0:
            return
        self._keep_in_window()
        rows = [self._heading(width)] if self.HEADING else []
        if self.keys or not self.empty:
            rows.append([(" " * GUTTER, ""), *self.head])
        if not self._selectable and self.empty:
            rows += message(self.empty, width, height - len(rows))
        else:
            rows += [self._row(key, width) for key in self.in_window]
        self.show(rows)

    def repaint_rows(self, *keys: str | None) -> None:
        """Recreate only these rows, if visible, and the position in the heading. Moving the cursor changes nothing else
        unless the window scrolls."""
        top, (width, height) = self._top, self.size
        self._keep_in_window()
        if self._top != top or len(self._rows) != height or height <= self._above:
            self.repaint()
            return
        rows = list(self._rows)
        if self.HEADING:
            rows[0] = self._heading(width)
        for key in keys:
            y = self._above + self._places.get(key or "", -height) - top
            if key is not None and self._above <= y < height:
                rows[y] = self._row(key, width)
        self.show(rows)

    def _heading(self, width: int) -> list[Piece]:
        where = f"{count(self._position + 1)} of {count(len(self._selectable))}" if self._selectable else ""
        status = [*self.status, (("  " if self.status else "") + where, "dim")] if where else self.status
        return heading(self.title, status, width, focused=self.focused_part, glyphs=self.glyphs)

    def _row(self, key: str, width: int) -> list[Piece]:
        if key in self._sections:
            return self._paint(key, width)
        row = self._paint(key, self.row_width)
        if key != self.cursor:
            return [(" " * GUTTER, ""), *row]
        if not self.focused_part:
            return [(self.glyphs.of("› ", "> "), "dim"), *row]
        row = [(self.glyphs.of("› ", "> "), "key"), *row]
        row.append((" " * max(0, width - sum(cells(text) for text, _ in row)), ""))
        return [(text, f"{names} line") for text, names in row]

    @property
    def _height(self) -> int:
        """Number of rows below the heading and column heads."""
        return max(0, self.size.height - self._above)

    @property
    def _above(self) -> int:
        return 1 + self.HEADING

    @property
    def _position(self) -> int:
        """The index of the cursor among selectable rows."""
        return bisect_left(self._selectable, self._places.get(self.cursor or "", 0))

    def _go(self, position: int) -> None:
        key = self.keys[self._selectable[position]]
        if key != self.cursor:
            before, self.cursor = self.cursor, key
            self.repaint_rows(before, key)
            self.post_message(self.Moved())

    def _go_near(self, place: int) -> None:
        """Select the row nearest to the old position of the cursor."""
        position = min(bisect_left(self._selectable, place), len(self._selectable) - 1)
        self.cursor = self.keys[self._selectable[position]] if position >= 0 else None

    def _keep_in_window(self) -> None:
        place, height = self._places.get(self.cursor or "", 0), self._height
        if place < self._top:
            self._top = place
        elif height and place >= self._top + height:
            self._top = place - height + 1
        # Keep a section head visible together with the first row below it.
        if place == self._top > 0 and height > 1 and self.keys[place - 1] in self._sections:
            self._top -= 1
        self._top = max(0, min(self._top, len(self.keys) - height))

    # ---------------------------------------------------------------------------------------------------------- mouse

    def on_resize(self) -> None:
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-3)

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y - self._above
        if event.y >= self._above and index < len(self.keys):
            self.go_to(self.keys[index])
