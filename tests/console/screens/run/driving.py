"""The Run screen in a test, and what it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from autoloop.model import Run
from textual.pilot import Pilot

from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.widgets.row_pane import RowPane
from tests.console.projects import RecordedProject, painted
from tests.console.running import ConsolePilot, Size, run_app
from tests.console.waiting import settle

SIZES = [(80, 24), (120, 40), (200, 50)]


@asynccontextmanager
async def drive(
    project: RecordedProject, run: Run | str, size: Size = (80, 24), engine: bool = True, **options: Any
) -> AsyncIterator[tuple[ConsolePilot, RunScreen]]:
    """Open the Run screen of `run`."""
    app = project.app(**options)
    async with run_app(app, size, engine=project if engine else None) as pilot:
        app.open_run(run if isinstance(run, str) else run.id)
        await settle(pilot)
        assert isinstance(app.screen, RunScreen)
        yield pilot, app.screen


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


def seen(screen: RunScreen) -> str:
    """Return every row on the screen from top to bottom; panes that are side by side come one after another."""
    panes = [pane for pane in screen.query(RowPane) if pane.is_on_screen and pane.size.width]
    return "\n".join(row for pane in panes for row in painted(pane))
