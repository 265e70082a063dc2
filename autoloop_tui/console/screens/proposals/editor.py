"""Dialogs that write edits: one value after the other in place, and a whole list in a line.
What is typed is judged a moment later by the engine's own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec
from autoloop.configs import parse_edit
from autoloop.model import Change, Proposal, UserError
from autoloop.text.changes import before_text
from autoloop.variants.check import CheckedVariant
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen, ScreenResultType
from textual.timer import Timer
from textual.widgets import Input, Label

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import cells, fit, look, plain, shown_value
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.present.proposals.detail import change_rows, tail, wrapped
from autoloop_tui.console.present.proposals.edits import as_edit, change_edit, edit_lines, split_edits, value_text
from autoloop_tui.console.screens.base import host_of
from autoloop_tui.console.screens.dialogs import dialog_css
from autoloop_tui.console.standing import Standing
from autoloop_tui.console.widgets.row_pane import RowPane

Judge = Callable[[Sequence[str]], CheckedVariant]
"""Edits -> what would come of them."""

DELETES = "@del"
"""What stands, and can be typed, in place of a value for a key or element that is deleted."""

PAUSE = 0.12
"""Seconds without a key before what was typed is judged: a key never waits for a large config."""

MORE_CSS = (
    dialog_css(width=110)
    + "& .values { margin-bottom: 1; } & Input { border: round $rule; } & Input:focus { border: round $primary; }"
)


class Verdict(RowPane):
    """Rows under an input; as high as they need."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: list[list[Piece]] = []

    def show_rows(self, rows: list[list[Piece]]) -> None:
        self._wanted = rows
        self.styles.height = max(1, len(rows))
        self.on_resize()

    def on_resize(self) -> None:
        self.show(self._wanted)


class Edits(Standing, ModalScreen[ScreenResultType]):
    """What the two dialogs for edits share: the verdict under the inputs, and Enter that sends only what is valid."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    def __init__(self, what: str, why: str, judge: Judge, suffix: str) -> None:
        """`suffix`: the format of the base's config, as which values may be typed."""
        super().__init__()
        self.what, self.why, self.judge, self.suffix = what, why, judge, suffix
        self.outcome = CheckedVariant({})
        self._judged: list[str] | None = None
        self._timer: Timer | None = None

    def edits(self) -> list[str]:
        """What is typed now."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.query(Input).first().focus()
        self.call_after_refresh(self.verdict)

    def on_resize(self) -> None:
        self._judged = None
        self.call_after_refresh(self.verdict)

    def on_input_changed(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE, self.verdict)

    def verdict(self) -> CheckedVariant:
        """Judge what is typed, if that is new, and show it."""
        edits = self.edits()
        if edits != self._judged:
            self._judged = edits
            self.outcome = self.judge(edits)
            width = max(20, self.query_one(Vertical).size.width)
            self.query_one(Verdict).show_rows(self._rows(width)[: max(3, self.size.height - 16)])
        return self.outcome

    def told_changes(self) -> Sequence[Change]:
        """The changes that the verdict names."""
        return self.outcome.changes

    def _rows(self, width: int) -> list[list[Piece]]:
        glyphs = host_of(self).glyphs
        if self.outcome.blocked:
            seen = look("failed")
            lines = wrapped(f"{seen.mark(glyphs)} {self.outcome.blocked}", width)
            return [[(line, seen.variable)] for line in lines]
        seen = look("finished")
        told_changes = self.told_changes()
        text = "this can run" + (", with" if told_changes else "")
        rows: list[list[Piece]] = [[(f"{seen.mark(glyphs)} {text}", seen.variable)]]
        rows += change_rows(told_changes, width, glyphs) if told_changes else []
        told = {change.note for change in self.outcome.changes}
        for note in self.outcome.notes:
            if note not in told:
                rows += [[("  " + line, "dim")] for line in wrapped(note, width - 2)]
        return rows

    def action_back(self) -> None:
        self.dismiss(None)


class EditValues(Edits[list[str]]):
    """The changed values of a proposal, each to be typed over; gives all its edits, None if none changed."""

    DEFAULT_CSS = f"EditValues {{ {MORE_CSS} }}"
    BINDINGS: ClassVar[list[BindingType]] = bindings("values")

    def __init__(self, proposal: Proposal, what: str, judge: Judge, suffix: str) -> None:
        several = len(proposal.changes) > 1
        why = "Enter saves, Esc cancels"
        super().__init__(what, "↑ ↓ choose the value. " * several + why, judge, suffix)
        self.changes: list[Change] = proposal.changes
        self.before = edit_lines(proposal)
        self.texts = [DELETES if change.removed else value_text(change.after, suffix) for change in self.changes]
        self.at = 0

    def compose(self) -> ComposeResult:
        why = self.why.replace("↑ ↓", host_of(self).glyphs.of("↑ ↓", "up, down"))
        with Vertical():
            yield Label(Content(self.what), classes="what")
            yield Label(Content(why), classes="why")
            yield RowPane(id="values", classes="values")
            yield Input(self.texts[0])
            yield Verdict()

    def on_mount(self) -> None:
        self.query_one("#values").styles.height = min(len(self.changes), 8)
        super().on_mount()
        self.call_after_refresh(self.repaint_values)

    def edits(self) -> list[str]:
        """Every value as it stands, in the order shown; one that is not valid as it was typed."""
        self.texts[self.at] = self.query_one(Input).value
        return [self._edit(change, text) for change, text in zip(self.changes, self.texts, strict=True)]

    def told_changes(self) -> Sequence[Change]:
        """Only what is said about one: the values themselves stand above."""
        return [change for change in self.outcome.changes if change.note]

    def _edit(self, change: Change, text: str) -> str:
        if text.strip() == DELETES:
            return f"{change.path}{DELETES}"
        typed = as_edit(f"{change.path}@set={text.strip()}", self.suffix)
        try:
            value = parse_edit(typed).value
            return change_edit(msgspec.structs.replace(change, after=value, removed=False))
        except UserError:
            return typed

    def on_input_changed(self) -> None:
        super().on_input_changed()
        self.texts[self.at] = self.query_one(Input).value
        self.repaint_values()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self.repaint_values)

    def repaint_values(self) -> None:
        pane = self.query_one("#values", RowPane)
        width, height = pane.size
        glyphs = host_of(self).glyphs
        mark, arrow = glyphs.ellipsis, glyphs.of(" → ", " -> ")
        paths = [plain(change.path) for change in self.changes]
        path_wide = min(max(map(cells, paths)), width // 2)
        befores = [before_text(c, lambda value: shown_value(value, 40)) for c in self.changes]
        before_wide = min(max(map(cells, befores)), width // 5)
        first = max(0, min(self.at - height // 2, len(self.changes) - height))
        rows: list[list[Piece]] = []
        for index in range(first, min(len(self.changes), first + height)):
            here = " line" if index == self.at else ""
            row: list[Piece] = [
                ("> " if here else "  ", f"bold key{here}"),
                (tail(paths[index], path_wide, mark) + "  ", here.strip()),
                (fit(befores[index], before_wide, ">", mark), f"diff-before{here}"),
                (arrow, f"dim{here}"),
            ]
            left = width - sum(cells(text) for text, _ in row)
            rows.append([*row, (fit(self.texts[index][: 4 * width], left, mark=mark), f"diff-after{here}")])
        pane.show(rows)

    def action_down(self) -> None:
        self._go(1)

    def action_up(self) -> None:
        self._go(-1)

    def _go(self, step: int) -> None:
        typed = self.query_one(Input)
        self.texts[self.at] = typed.value
        self.at = (self.at + step) % len(self.changes)
        typed.value = self.texts[self.at]
        typed.select_all()
        self.repaint_values()

    def on_input_submitted(self) -> None:
        if self.verdict().blocked is None:
            edits = self.edits()
            self.dismiss(None if edits == self.before else edits)


class WriteEdits(Edits[tuple[list[str], str]]):
    """Edits in a line and the reason for them; gives both."""

    DEFAULT_CSS = f"WriteEdits {{ {MORE_CSS} }}"

    def __init__(self, what: str, judge: Judge, suffix: str, *, edits: Sequence[str] = (), reason: str | None = "") -> None:
        """`reason`: None where none is asked for."""
        why = "path=value, path@op=value (set, new, mul, add, min, max) or path@del, separated by spaces"
        super().__init__(what, why, judge, suffix)
        self.given, self.reason = " ".join(edits), reason

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self.what), classes="what")
            yield Label(Content(self.why), classes="why")
            hint = "learning_rate@mul=0.5 batch_size=24"
            yield Input(self.given, placeholder=hint, select_on_focus=False, id="edits")
            if self.reason is not None:
                yield Input(self.reason, placeholder="reason (optional)", select_on_focus=False, id="reason")
            yield Verdict()

    def edits(self) -> list[str]:
        return [as_edit(edit, self.suffix) for edit in split_edits(self.query_one("#edits", Input).value)]

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self.verdict().blocked is not None:
            self.query_one("#edits").focus()
        elif event.input.id == "edits" and self.reason is not None:
            self.query_one("#reason").focus()
        else:
            why = self.query_one("#reason", Input).value if self.reason is not None else ""
            self.dismiss((self.edits(), why.strip()))
