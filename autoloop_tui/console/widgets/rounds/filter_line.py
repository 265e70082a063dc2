"""The line in which a filter is typed: it acts while one types, Enter keeps it, Esc brings the earlier one back."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Input

from autoloop_tui.console.actions import bindings


class FilterLine(Input):
    """Hidden until `ask`."""

    DEFAULT_CSS = "FilterLine { display: none; height: 1; padding: 0 1; background: $panel; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    class Typed(Message):
        """The filter is to be `text` from now on."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, compact=True, id=id)
        self._before = ""

    def ask(self, text: str) -> None:
        """Show the line with the filter as it is now."""
        self._before = text
        with self.prevent(Input.Changed):
            self.value = text
        self.display = True
        self.focus()

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
