"""The base of panes with a long text: keys to move in it, and a prompt in the last row to type a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoloop.model import UserError
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType

from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.logs.search import Query, parse_query
from autoloop_tui.console.widgets.row_pane import RowPane

if TYPE_CHECKING:
    from textual.widgets import Input

SIDEWAYS = 16
"""Cells that a text scrolls sideways at a time."""


def reading_keys(scope: str) -> list[BindingType]:
    """Return the key bindings of every long text; the ids by which they are remapped begin with `scope`."""
    return [
        Binding("j,down", "move(1)", "Line down", show=False, id=f"{scope}.down"),
        Binding("k,up", "move(-1)", "Line up", show=False, id=f"{scope}.up"),
        Binding("ctrl+d,pagedown", "page(1)", "Half a page down", show=False, id=f"{scope}.page_down"),
        Binding("ctrl+u,pageup", "page(-1)", "Half a page up", show=False, id=f"{scope}.page_up"),
        Binding("l,right", "sideways(1)", "Right", show=False, id=f"{scope}.right"),
        Binding("h,left", "sideways(-1)", "Left", show=False, id=f"{scope}.left"),
    ]


class PromptPane(RowPane, can_focus=True):
    """`ask` opens the prompt; `answered` receives the query. Errors in it are reported while it is being typed.

    The prompt is created on first use, because styling it takes longer than styling the pane.
    """

    DEFAULT_CSS = """
    PromptPane > Input { dock: bottom; height: 1; border: none; padding: 0; background: $surface; }
    PromptPane > Input:focus { border: none; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._note: Piece = ("", "")
        """A message about the last search."""
        self._rows_below = 0
        """Rows at the bottom that the prompt covers."""
        self._shift = 0
        """Cells of the text hidden to the left."""
        self._known: Query | None = None
        """The query for which the prompt was opened."""
        self._prompt: Input | None = None

    def repaint(self) -> object:
        """Paint what has changed."""
        raise NotImplementedError

    def answered(self, query: Query | None) -> None:
        """Handle the submitted query after the prompt has closed; None if it was empty."""
        raise NotImplementedError

    def read_query(self, text: str) -> Query:
        """Parse the typed text. Raises UserError if it is invalid."""
        return parse_query(text)

    def typed(self, query: Query | None) -> None:
        """Handle the query while it is being typed; None if the prompt is empty. On cancel, called with the previous
        query."""

    def action_sideways(self, steps: int) -> None:
        if steps < 0 and not self._shift:
            raise SkipAction  # Let the key bubble: at the left edge, left means "back".
        self._shift = max(0, self._shift + steps * SIDEWAYS)
        self.repaint()

    def ask(self, placeholder: str, known: Query | None) -> None:
        """Open the prompt on the active query."""
        self._rows_below, self._known = 1, known
        prompt = self._prompt or self._make_prompt()
        prompt.value, prompt.placeholder = known.text if known else "", placeholder
        prompt.cursor_position = len(prompt.value)
        prompt.display = True
        prompt.focus()
        self.repaint()

    def _make_prompt(self) -> Input:
        from textual.widgets import Input

        self._prompt = Input(select_on_focus=False)
        self._prompt.cursor_blink = False
        self.mount(self._prompt)
        return self._prompt

    def _stop_asking(self, back: bool = True) -> None:
        self._rows_below = 0
        if self._prompt is not None:
            self._prompt.display = False
        if back:
            self.focus()
        self.repaint()

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape" and self._rows_below:
            event.stop()
            self._give_up()

    def _give_up(self) -> None:
        self._note = ("", "")
        self._stop_asking()
        self.typed(self._known)

    def on_descendant_blur(self) -> None:
        if self._rows_below:
            self._stop_asking(back=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self._rows_below:
            return  # delivered after the prompt was closed
        self._note = ("", "")
        try:
            query = self.read_query(event.value) if event.value else None
        except UserError as error:
            self._note = (str(error), "slot-failed")
        else:
            self.typed(query)
        self.repaint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            query = self.read_query(event.value) if event.value else None
        except UserError:
            return  # Reported while it was typed; the prompt stays open.
        self._stop_asking()
        self.answered(query)

    def on_resize(self) -> None:
        self.repaint()

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()
