"""A dialog to choose a run of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from autoloop.model import Run
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import cells, clip, fit, look
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.screens.dialogs import dialog_css
from autoloop_tui.console.standing import StackedScreen
from autoloop_tui.console.widgets.row_pane import DrawnPane

HALF_PAGE = 6


class PickRun(StackedScreen, ModalScreen[str]):
    """Lists the runs of the loop, newest round first; returns the id of the chosen one."""

    DEFAULT_CSS = f"PickRun {{ {dialog_css()} }}"
    BINDINGS: ClassVar[list[BindingType]] = bindings("pick")

    def __init__(self, what: str, runs: Sequence[Run], start: str | None, result: Callable[[Run], str]) -> None:
        """`start`: the initially selected run. `result` returns a run's result in a few words."""
        super().__init__()
        self.what, self.runs, self.result = what, sorted(runs, key=lambda run: -run.round), result
        self.at = next((index for index, run in enumerate(self.runs) if run.id == start), 0)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self.what), classes="what")
            yield Label(Content("j k move, enter chooses, q goes back"), classes="why")
            yield DrawnPane()

    def on_mount(self) -> None:
        pane = self.query_one(DrawnPane)
        pane.styles.height = max(1, min(12, len(self.runs)))
        pane.show_drawn(self._rows)

    def _rows(self, width: int, height: int) -> list[list[Piece]]:
        glyphs = self.query_one(DrawnPane).glyphs
        mark = glyphs.ellipsis
        first = max(0, min(self.at - height // 2, len(self.runs) - height))
        rows: list[list[Piece]] = []
        for index, run in enumerate(self.runs[first : first + height], first):
            here = " line" if index == self.at else ""
            seen = look(run.state.value)
            result = clip(self.result(run), width // 3, mark)
            left = width - 2 - 11 - 5 - cells(result) - 1
            rows.append(
                [
                    ("> " if here else "  ", f"bold key{here}"),
                    (fit(seen.text(glyphs), 11), seen.variable + here),
                    (fit(f"r{run.round}", 5), f"dim{here}"),
                    (fit(f"{run.name} ({run.id})", left, mark=mark) + " ", here.strip()),
                    (result, f"dim{here}"),
                ]
            )
        return rows

    def action_down(self) -> None:
        self._go(1)

    def action_up(self) -> None:
        self._go(-1)

    def action_first(self) -> None:
        self._go(-len(self.runs))

    def action_last(self) -> None:
        self._go(len(self.runs))

    def action_page_down(self) -> None:
        self._go(HALF_PAGE)

    def action_page_up(self) -> None:
        self._go(-HALF_PAGE)

    def action_back(self) -> None:
        self.dismiss(None)

    def _go(self, step: int) -> None:
        self.at = max(0, min(self.at + step, len(self.runs) - 1))
        self.query_one(DrawnPane).show_drawn(self._rows)

    def action_open(self) -> None:
        self.dismiss(self.runs[self.at].id if self.runs else None)
