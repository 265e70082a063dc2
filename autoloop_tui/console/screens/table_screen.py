"""Screens with keys that move the cursor of a table."""

from __future__ import annotations

from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.widgets.table import Table


class TableKeys(LoopScreen):
    """A screen with one active table at a time, which `table` returns."""

    @property
    def table(self) -> Table:
        raise NotImplementedError

    def action_down(self) -> None:
        self.table.move(1)

    def action_up(self) -> None:
        self.table.move(-1)

    def action_first(self) -> None:
        self.table.first()

    def action_last(self) -> None:
        self.table.last()

    def action_page_down(self) -> None:
        self.table.page(1)

    def action_page_up(self) -> None:
        self.table.page(-1)


class TableScreen(TableKeys):
    """A table screen with a layout that depends on its height."""

    AUTO_FOCUS = ""
    VERTICAL_BREAKPOINTS = [(0, "-short"), (14, "-tall")]  # noqa: RUF012 - Textual's own form
