"""Dialogs: a confirmation that defaults to Cancel, lines to read, and an input for one line of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.standing import StackedScreen


def dialog_css(width: int = 72) -> str:
    """Return the CSS shared by all dialogs; `width` in cells, less on a narrow terminal."""
    return f"""
    align: center middle;
    & > Vertical, & > VerticalScroll {{ width: {width}; max-width: 96%; height: auto; max-height: 90%;
                   border: round $primary; background: $surface; padding: 1 2; }}
    & Label {{ width: 100%; height: auto; }}
    & .what {{ text-style: bold; margin-bottom: 1; }}
    & .why {{ color: $dim; margin-bottom: 1; }}
    & .problem {{ color: $slot-failed; height: auto; }}
    & Horizontal {{ height: auto; align-horizontal: right; }}
    & Button {{ margin-left: 2; min-width: 12; }}
"""


class Confirm(StackedScreen, ModalScreen[bool]):
    """Asks before an irreversible action. Enter, Esc, `q` and `n` mean no; only `y` or the button confirms."""

    DEFAULT_CSS = f"Confirm {{ {dialog_css()} }}"
    BINDINGS: ClassVar[list[BindingType]] = bindings("question")

    def __init__(self, what: str, why: str, yes: str) -> None:
        super().__init__()
        self.what, self.why, self.yes = what, why, yes

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self.what), classes="what")
            yield Label(Content(self.why), classes="why")
            with Horizontal():
                yield Button("Cancel (n)", id="no", compact=True)
                yield Button(f"{self.yes} (y)", id="yes", variant="error", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_no(self) -> None:
        self.dismiss(False)

    def action_left(self) -> None:
        self.focus_previous()

    def action_right(self) -> None:
        self.focus_next()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class Notice(StackedScreen, ModalScreen[None]):
    """Shows a few lines to read."""

    DEFAULT_CSS = f"Notice {{ {dialog_css(92)} & .way-back {{ color: $dim; }} }}"
    BINDINGS: ClassVar[list[BindingType]] = bindings("told")

    def __init__(self, what: str, lines: Sequence[tuple[str, str]]) -> None:
        """`lines`: texts with their CSS classes; `why` marks secondary text."""
        super().__init__()
        self.what, self.lines = what, lines

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Label(Content(self.what), classes="what")
            for text, look in self.lines:
                yield Label(Content(text), classes=look)
            yield Label(Content("q goes back"), classes="way-back")

    def action_back(self) -> None:
        self.dismiss(None)


class Ask(StackedScreen, ModalScreen[str | None]):
    """Asks for a line of text. `check` returns what is wrong with it while it is being typed, or None. Esc cancels; if
    `needed`, an empty line is not accepted."""

    DEFAULT_CSS = f"Ask {{ {dialog_css()} }}"
    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    def __init__(
        self,
        what: str,
        why: str = "",
        *,
        value: str = "",
        placeholder: str = "",
        needed: bool = False,
        check: Callable[[str], str | None] | None = None,
        explain: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__()
        self.what, self.why, self.value, self.placeholder = what, why, value, placeholder
        self.needed, self.check, self.explain = needed, check, explain

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self.what), classes="what")
            if self.why:
                yield Label(Content(self.why), classes="why")
            yield Input(self.value, placeholder=self.placeholder)
            yield Label("", classes="problem", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._judge(self.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._judge(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._judge(event.value) is None and (event.value.strip() or not self.needed):
            self.dismiss(event.value)

    def action_back(self) -> None:
        self.dismiss(None)

    def _judge(self, text: str) -> str | None:
        """Show and return what is wrong with `text`; if nothing is, show what it would do."""
        problem = self.check(text) if self.check else None
        label = self.query_one(".problem", Label)
        label.update(Content(problem or (self.explain(text) if self.explain else "")))
        label.styles.color = None if problem else self.app.get_css_variables().get("slot-finished")
        return problem
