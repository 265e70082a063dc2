"""What every pane of rows does."""

from __future__ import annotations

from autoloop_tui.console.widgets.row_pane import RowPane
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
