"""A long, searchable text. Its owner creates the rows once; only the visible ones are painted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType

from autoloop_tui.console.drawing.pieces import Piece, crop, heading, message, part_of
from autoloop_tui.console.logs.search import Query
from autoloop_tui.console.widgets.prompt_pane import PromptPane, reading_keys


class Document(PromptPane):
    """Shows the rows last passed to `set_rows` below a heading. The scroll position is kept while the rows change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *reading_keys("text"),
        Binding("g,home", "move(-1000000000)", "First line", show=False, id="text.first"),
        Binding("G,end", "move(1000000000)", "Last line", show=False, id="text.last"),
        Binding("slash", "ask", "Search", show=False, id="text.search"),
        Binding("n", "again(1)", "Next match", show=False, id="text.next"),
        Binding("N", "again(-1)", "Previous match", show=False, id="text.previous"),
    ]

    def __init__(self, title: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.document_title = title
        self.rows: Sequence[list[Piece]] = []
        """The whole text, visible or not."""
        self._query: Query | None = None
        self._hit: int | None = None
        """The row of the current match."""
        self._top = 0

    # -------------------------------------------------------------------------------------------- called by the owner

    def set_rows(self, rows: Sequence[list[Piece]], title: str | None = None) -> None:
        """Show `rows` of printable text (see `paint.plain`); thousands are fine."""
        if title is not None:
            self.document_title = title
        self.rows = rows
        if self._hit is not None and self._hit >= len(rows):
            self._hit = None
        self.repaint()

    # -------------------------------------------------------------------------------------------- painting

    @property
    def _room(self) -> int:
        return max(0, self.size.height - 1 - self._rows_below)

    def repaint(self) -> None:
        """Paint the visible rows that have changed."""
        width, height = self.size
        if width <= 0 or height <= 0 or not self.is_on_screen:
            return
        room = self._room
        self._top = max(0, min(self._top, len(self.rows) - room))
        head = heading(self.document_title, self._status(), width, focused=self.has_focus, glyphs=self.glyphs)
        if not self.rows:
            self.show([head, *message([("nothing to show", "dim")], width, room)])
            return
        rows = [head]
        for index, row in enumerate(self.rows[self._top : self._top + room], self._top):
            rows.append(crop(self._marked(row, index), self._shift, width, self.glyphs.ellipsis))
        self.show(rows)

    def _marked(self, row: list[Piece], index: int) -> list[Piece]:
        """Return the row with its matches highlighted and the current match emphasised."""
        if self._query is None or not self._query.matches(text_of(row)):
            return row
        spans = self._query.spans(text_of(row))
        marked: list[Piece] = []
        place = 0
        for text, look in row:
            at = 0
            for start, end in spans:
                first, after = max(start - place, at), min(end - place, len(text))
                if first < after:
                    names = "match bold" if index == self._hit else "match"
                    marked += [(text[at:first], look), (text[first:after], names)]
                    at = after
            marked.append((text[at:], look))
            place += len(text)
        return [piece for piece in marked if piece[0]]

    def _status(self) -> list[Piece]:
        parts = [self._note] if self._note[0] else []
        if self._query is not None:
            parts.append((f"/{self._query.text}", "key"))
        if len(self.rows) > self._room > 0:
            seen = min(self._top + self._room, len(self.rows))
            parts.append((part_of(self._top + 1, seen, len(self.rows), self.glyphs), "dim"))
        row: list[Piece] = []
        for part in parts:
            row += ([("  ", "")] if row else []) + [part]
        return row

    def on_show(self) -> None:
        self.repaint()

    # -------------------------------------------------------------------------------------------- moving

    def action_move(self, rows: int) -> None:
        self._top += rows
        self.repaint()

    def action_page(self, halves: int) -> None:
        self.action_move(halves * max(1, self._room // 2))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    # -------------------------------------------------------------------------------------------- searching

    def action_ask(self) -> None:
        self.ask("search: text, or /pattern/ - empty: clear", self._query)

    def answered(self, query: Query | None) -> None:
        self._query, self._hit = query, None
        if query is None:
            self.repaint()
        else:
            self._go_to_match(self._top, 1)

    def action_again(self, direction: int) -> None:
        if self._query is None:
            raise SkipAction  # Let the key bubble: it may have another meaning outside.
        self._go_to_match((self._top if self._hit is None else self._hit) + direction, direction)

    def _go_to_match(self, start: int, direction: int) -> None:
        """Go to the first match from row `start`, wrapping around if necessary."""
        assert self._query is not None
        total = len(self.rows)
        places = ((start + direction * i) % total for i in range(total))
        self._hit = next((i for i in places if self._query.matches(text_of(self.rows[i]))), None)
        if self._hit is None:
            self._note = ("not found", "slot-warn")
        else:
            self._note = ("", "")
            if not self._top <= self._hit < self._top + self._room:
                self._top = self._hit - self._room // 2
        self.repaint()


def text_of(row: Sequence[Piece]) -> str:
    """Return the text of a row."""
    return "".join(text for text, _ in row)
