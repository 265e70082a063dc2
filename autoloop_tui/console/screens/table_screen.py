"""A screen whose keys move the cursor of a table."""

from __future__ import annotations

from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.widgets.table import Table


class TableKeys(LoopScreen):
    """`table` says which table has the keys just now."""

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
    """One that is laid out by its height."""

    AUTO_FOCUS = ""
    VERTICAL_BREAKPOINTS = [(0, "-short"), (14, "-tall")]  # noqa: RUF012 - Textual's own form
