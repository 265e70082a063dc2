"""The filter input: it applies while it is typed; Enter keeps it, Esc restores the previous one."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from autoloop_tui.console.actions import bindings


class FilterLine(Horizontal):
    """`/` followed by the filter; hidden until `ask`."""

    DEFAULT_CSS = """
    FilterLine { display: none; height: 1; background: $panel;
        & Label { width: 2; color: $key; text-style: bold; } & Input { width: 1fr; background: $panel; padding: 0; } }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    class Typed(Message):
        """The filter has changed to `text`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._placeholder = placeholder
        self._before = ""

    def ask(self, text: str) -> None:
        """Show the line with the current filter."""
        self._before = text
        if not self.children:
            self.mount(Label(" /", markup=False), Input(placeholder=self._placeholder, compact=True))
        typed = self.query_one(Input)
        with typed.prevent(Input.Changed):
            typed.value = text
        self.display = True
        typed.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._hide()

    def action_back(self) -> None:
        self.post_message(self.Typed(self._before))
        self._hide()

    def _hide(self) -> None:
        self.display = False
        self.screen.set_focus(None)
