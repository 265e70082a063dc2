"""A menu in which every entry has a letter: pressing the letter chooses the entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase, digits
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import cells, fit, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.screens.base import host_of
from autoloop_tui.console.screens.dialogs import dialog_css
from autoloop_tui.console.standing import StackedScreen
from autoloop_tui.console.widgets.row_pane import DrawnPane


class LetterMenu(StackedScreen, ModalScreen[str | None]):
    """Returns the key of the chosen entry; None if cancelled."""

    DEFAULT_CSS = f"LetterMenu {{ {dialog_css(44)} & RowPane {{ margin-bottom: 0; }} }}"
    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    def __init__(self, what: str, entries: Sequence[tuple[str, str]], chosen: str) -> None:
        """`entries`: keys and texts; `chosen`: the key of the current entry."""
        super().__init__()
        self.what, self.entries, self.chosen = what, [(key, plain(text)) for key, text in entries], chosen
        self.letters = letters(text for _, text in self.entries)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self.what), classes="what")
            yield DrawnPane(id="entries")

    def on_mount(self) -> None:
        pane = self.query_one("#entries", DrawnPane)
        pane.styles.height = len(self.entries)
        pane.show_drawn(self._rows)

    def _rows(self, width: int, height: int) -> list[list[Piece]]:
        sign = host_of(self).glyphs.of("✓", "+")
        rows: list[list[Piece]] = []
        for letter, (key, text) in zip(self.letters, self.entries, strict=True):
            line = " line" if key == self.chosen else ""
            used = f"{text}  {sign}" if line else text
            room = max(0, width - cells(letter) - 3)
            rows.append([(f" {letter}  ", f"bold key{line}"), (fit(used, room), line.strip())])
        return rows

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character in self.letters:
            event.stop()
            self.dismiss(self.entries[self.letters.index(event.character)][0])

    def action_back(self) -> None:
        self.dismiss(None)


def letters(texts: Iterable[str]) -> list[str]:
    """Return a letter for each text: its first letter that is still free, otherwise any free one."""
    found: list[str] = []
    for text in texts:
        wanted = [*(each for each in text.lower() if each in ascii_lowercase), *ascii_lowercase, *digits]
        found.append(next((each for each in wanted if each not in found), ""))
    return found
