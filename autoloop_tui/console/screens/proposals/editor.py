"""The table to type edits in, for an existing proposal, or for a new one with its reason and expectation. The engine's code
checks the input after a short pause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from autoloop.metrics import MetricBook
from autoloop.metrics.expectations import parse_expectation
from autoloop.model import UserError
from autoloop.variants.check import CheckedVariant
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Label

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.present.proposals.edit_rows import (
    Completion,
    EditRow,
    expectation_completions,
    path_completions,
    row_for,
)
from autoloop_tui.console.present.proposals.edit_table import Field, completion_rows, table_rows, verdict_rows
from autoloop_tui.console.present.proposals.edits import EditCheck, split_edits
from autoloop_tui.console.screens.base import host_of
from autoloop_tui.console.screens.dialogs import Confirm, dialog_css
from autoloop_tui.console.standing import StackedScreen
from autoloop_tui.console.widgets.row_pane import RowPane

PAUSE = 0.12
"""Seconds without a key press before the input is checked: a key never waits for a large config."""

AROUND = 12
"""Rows of the dialog other than those of the table and those below the input."""


@dataclass(frozen=True)
class EditResult:
    edits: list[str]
    reason: str = ""
    expect: str | None = None
    kill_criterion: str = ""


class Verdict(RowPane):
    """Rows below an input; as high as needed."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: list[list[Piece]] = []

    def show_rows(self, rows: list[list[Piece]]) -> None:
        self._wanted = rows
        self.styles.height = max(1, len(rows))
        self.on_resize()

    def on_resize(self) -> None:
        self.show(self._wanted)


class EditTable(StackedScreen, ModalScreen[EditResult | None]):
    """Returns what was written; None if it is unchanged or was cancelled."""

    DEFAULT_CSS = f"""
    EditTable {{ {dialog_css(width=110)}
        & .what {{ margin-bottom: 0; }}
        & Input {{ border: round $rule; border-title-color: $key; }} & Input:focus {{ border: round $primary; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("values")

    def __init__(
        self,
        what: str,
        check: EditCheck,
        rows: Sequence[EditRow] = (),
        *,
        book: MetricBook,
        reason: str = "",
        expect: str = "",
        kill_criterion: str = "",
        check_criterion: Callable[[str], object],
        new: bool = False,
    ) -> None:
        """`check_criterion` raises UserError for an invalid criterion. `new`: the proposal does not exist yet."""
        super().__init__()
        self.what, self.check, self.book, self.new = what, check, book, new
        self.rows = list(rows)
        self.add = Field("+ add path", "a path, or edits such as path=value and path@mul=0.5")
        self.why = Field("why", "reason, kept with the proposal (optional)", reason)
        self.expect = Field("expect", "expected effect, such as eval_l1 lower (optional)", expect)
        self.kill = Field("kill if", "stop its run when this holds, such as eval_l1.last > 0.2 (optional)", kill_criterion)
        self.check_criterion = check_criterion
        self.at = 0
        self.outcome = CheckedVariant({})
        self.before = self._written()
        """The values when the dialog was opened."""
        self._typed = False
        """Something was typed; from now on, problems are shown in the error colour."""
        self._chosen = 0
        """The completion that Tab and Enter accept."""
        self._judged: list[str] | None = None
        self._timer: Timer | None = None

    @property
    def lines(self) -> list[EditRow | Field]:
        return [*self.rows, self.add, self.why, self.expect, self.kill]

    @property
    def line(self) -> EditRow | Field:
        return self.lines[self.at]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self.what), classes="what")
            yield Label("", classes="why", markup=False)
            yield RowPane(id="values")
            yield Input()
            yield Verdict()

    def on_mount(self) -> None:
        glyphs = host_of(self).glyphs
        name = host_of(self).keys_of
        chosen = glyphs.of("↑ ↓", "up, down")
        saves = f"{name('values.save')} {'sends' if self.new else 'saves'}"
        enter = "Enter: next" if self.new else "Enter saves"
        keys = [f"{chosen} choose", enter, saves, f"{name('values.drop')} removes a row", "Esc cancels"]
        self.query_one(".why", Label).update(Content(glyphs.dot.join(keys)))
        self.query_one(Input).focus()
        self.call_after_refresh(self._go_to, 0)

    # ------------------------------------------------------------------------------------------------------- checks

    def edits(self) -> list[str]:
        """Return the edits of all rows in display order, including those typed in the line that adds rows."""
        return [row.edit(self.check.suffix) for row in [*self.rows, *self._new_rows()]]

    def _new_rows(self) -> list[EditRow]:
        """Return rows for what is typed in the line that adds a path, if it is more than a path."""
        typed = [each for each in split_edits(self.add.text) if "=" in each or "@" in each]
        return [row_for(each, self.check.config, self.check.suffix) for each in typed]

    def _written(self) -> EditResult:
        expect = self.expect.text.strip() or None
        return EditResult(self.edits(), self.why.text.strip(), expect, self.kill.text.strip())

    def on_input_changed(self) -> None:
        text = self.query_one(Input).value
        if text == self.line.text:
            return  # only set programmatically when another line was selected
        self.line.text, self._typed, self._chosen = text, True, 0
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE, self.verdict)
        self.repaint()

    def verdict(self) -> str:
        """Check the input if it has changed and show the result. Returns why it cannot be sent; empty if it can."""
        edits = self.edits()
        if edits != self._judged:
            self._judged, self.outcome = edits, self.check(edits)
        self.repaint()
        return self.problem()

    def problem(self) -> str:
        """Return why the input cannot be sent; problems of the current line come first."""
        return self.wrong_with(self.line) or next(filter(None, map(self.wrong_with, self.lines)), "") or self._of_all()

    def _of_all(self) -> str:
        if not self.rows and not self._new_rows():
            return "no changes yet: add a path"
        view = host_of(self).feed.view
        if view is None or view.engine is None:
            return "the engine has stopped; `autoloop-tui resume` in another terminal restarts it; your input stays here"
        return self.outcome.blocked or ""

    def wrong_with(self, line: EditRow | Field) -> str:
        """Return why one line alone cannot be sent; empty if it can. Rows are checked only if the edits as a whole are
        invalid."""
        if line is self.expect and line.text.strip():
            try:
                parse_expectation(line.text, self.book)
            except UserError as error:
                return str(error)
        if line is self.kill:
            try:
                self.check_criterion(line.text)
            except UserError as error:
                return str(error)
        if line is self.add and line.text.strip() and not self._new_rows():
            if self.line is line and self.completions():
                return "Tab completes the path, Enter adds a row for it"
            return f'"{line.text.strip()}" is not an edit yet: press Enter to add it as a row, or write path=value'
        if not isinstance(line, EditRow):
            return ""
        if line.untouched:
            return f"{line.path}: type the new value, an operation such as @mul=0.5, or @del"
        return self.check.alone(line.edit(self.check.suffix)) if self.outcome.blocked else ""

    def completions(self) -> list[Completion]:
        if self.line is self.add and self.add.text.strip() and not self._new_rows():
            taken = [row.path for row in self.rows]
            return path_completions(self.add.text, self.check.flat, self.check.fields, taken)
        if self.line is self.expect and self._typed and self.expect.text.strip():
            return expectation_completions(self.expect.text, self.book)
        return []

    # ------------------------------------------------------------------------------------------------------ painting

    def on_resize(self) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        room = self.size.height * 9 // 10 - AROUND
        height = min(len(self.lines), max(3, room - 4)) + 1
        pane = self.query_one("#values", RowPane)
        pane.styles.height = height
        width = max(20, self.query_one(Vertical).size.width)
        glyphs = host_of(self).glyphs

        def bad(line: EditRow | Field) -> bool:
            return self._typed and bool(self.wrong_with(line))

        pane.show(table_rows(self.lines, self.at, self.check.config, width, height - 1, bad=bad, glyphs=glyphs))
        field = self.query_one(Input)
        line = self.line
        field.border_title = Content(plain(line.path if isinstance(line, EditRow) else line.name))
        field.placeholder = line.hint if isinstance(line, Field) else "the new value, or @mul=0.5, @add=8, @del"
        found = self.completions()
        self._chosen = max(0, min(self._chosen, len(found) - 1))
        below = completion_rows(found, self._chosen, width, glyphs)
        if self._judged is not None:
            asked = not self._typed or bool(found)
            below += verdict_rows(self.problem(), self.outcome, self.rows, width, asked=asked, glyphs=glyphs)
        self.query_one(Verdict).show_rows(below[: max(3, room - height + 1)])

    # -------------------------------------------------------------------------------------------------------- moving

    def _go_to(self, at: int) -> None:
        self.at, self._chosen = at % len(self.lines), 0
        field = self.query_one(Input)
        field.value = self.line.text
        if isinstance(self.line, EditRow):
            field.select_all()
        else:
            field.cursor_position = len(field.value)
        self.verdict()

    def action_down(self) -> None:
        self._step(1)

    def action_up(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        """Move through the completions if there are any, otherwise through the lines."""
        if self.completions():
            self._chosen += by
            self.repaint()
        else:
            self._go_to(self.at + by)

    def action_complete(self) -> None:
        """Insert the chosen completion into the line, or go to the next line."""
        found = self.completions()
        if not found:
            self._go_to(self.at + 1)
            return
        field = self.query_one(Input)
        field.value = found[self._chosen].text
        field.cursor_position = len(field.value)

    def action_drop(self) -> None:
        """Remove the current row."""
        if isinstance(self.line, EditRow):
            self._typed = True
            del self.rows[self.at]
        else:
            self.line.text = ""
        self._go_to(self.at)

    # ------------------------------------------------------------------------------------------------------- save and cancel

    def on_input_submitted(self) -> None:
        if self.line is self.add and self.add.text.strip():
            self._add_rows()
        elif self.new and self.line is not self.lines[-1]:
            self._go_to(self.at + 1)
        else:
            self.action_save()

    def _add_rows(self) -> None:
        """Turn the typed text into rows; an incomplete path is replaced by the chosen completion."""
        typed, found = split_edits(self.add.text), self.completions()
        if found and self.add.text.strip() not in self.check.flat and "*" not in self.add.text:
            typed = [found[self._chosen].text]
        first = len(self.rows)
        self.rows += [row_for(each, self.check.config, self.check.suffix) for each in typed]
        self.add.text = ""
        untouched = next((at for at, row in enumerate(self.rows[first:], first) if row.untouched), None)
        self._go_to(len(self.rows) if untouched is None else untouched)

    def action_save(self) -> None:
        """Send the input if it is valid; otherwise move the cursor to the first problem."""
        self._typed = True
        if self.verdict():
            wrong = [at for at, line in enumerate(self.lines) if self.wrong_with(line)]
            if wrong and self.at not in wrong:
                self._go_to(wrong[0])
            return
        written = self._written()
        self.dismiss(None if written == self.before and not self.new else written)

    def action_back(self) -> None:
        """Cancel, after asking if something was typed."""
        if self._written() == self.before and not self.add.text.strip():
            self.dismiss(None)
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.dismiss(None)

        self.app.push_screen(Confirm("Discard what you typed?", "Nothing has been sent.", "Discard"), answered)
