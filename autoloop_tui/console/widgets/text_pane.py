"""A pane for a short text: as many rows as it needs, or centred in an otherwise empty pane."""

from __future__ import annotations

import textwrap

from textual.geometry import Size

from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.drawing.pieces import Piece, message
from autoloop_tui.console.widgets.row_pane import RowPane


class TextPane(RowPane):
    """Shows the text last passed to `show_text`; repaints itself when its size changes."""

    DEFAULT_CSS = "TextPane { height: auto; }"

    def __init__(self, *, most: int = 3, middle: bool = False, id: str | None = None) -> None:
        """`most`: maximum number of rows; a longer text is marked as cut. `middle`: centre the text instead of starting at
        the top left."""
        super().__init__(id=id)
        self.most, self.middle = most, middle
        self._text: Piece = ("", "")

    def show_text(self, text: str, look: str = "dim") -> None:
        if (text, look) != self._text:
            self._text = (text, look)
            self.display = bool(text)
            self.refresh(layout=True)
            self.repaint()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def _lines(self, width: int) -> list[str]:
        mark = self.glyphs.of(" …", " ~")
        lines = textwrap.wrap(plain(self._text[0]), max(4, width - 2), max_lines=self.most, placeholder=mark)
        return [clip(line, width - 2, mark.strip()) for line in lines]

    def on_resize(self) -> None:
        self.repaint()

    def repaint(self) -> None:
        width, height = self.size
        if width <= 2 or not height:
            return
        lines = self._lines(width)
        if self.middle:
            self.show(message([(line, self._text[1]) for line in lines], width, height))
        else:
            self.show([[(f" {line}", self._text[1])] for line in lines])
