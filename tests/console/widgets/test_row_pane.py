"""The behaviour that every pane of rows has."""

from __future__ import annotations

from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.widgets.row_pane import DrawnPane, RowPane
from tests.console.projects import painted
from tests.console.running import show


async def test_a_pane_says_what_it_waits_for_until_it_shows_something() -> None:
    pane = RowPane()
    pane.waiting = "reading the run …"
    async with show(pane, size=(40, 4)) as pilot:
        assert painted(pane)[0].rstrip() == " reading the run …"
        pane.show([[("there", "")]])
        await pilot.pause()
        assert painted(pane)[0].rstrip() == "there"


async def test_rows_told_before_the_pane_has_room_for_them_are_shown_when_it_has() -> None:
    pane = DrawnPane()
    rows: list[list[Piece]] = [[(f"row {number}", "")] for number in range(3)]
    async with show(pane, size=(40, 4)) as pilot:
        pane.styles.height = 1
        await pilot.pause()
        pane.show_drawn(lambda width, height: rows)
        pane.styles.height = 3
        await pilot.pause()
        assert [row.rstrip() for row in painted(pane)] == ["row 0", "row 1", "row 2"]
