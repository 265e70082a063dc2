"""The console in a test, and the text of its first and last lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App

from autoloop_tui.console.app import ConsoleApp
from tests.console.projects import RecordedProject, painted
from tests.console.running import ConsolePilot, Size, run_app

SIZES = [(80, 24), (120, 40), (200, 50)]


@asynccontextmanager
async def drive(
    app: ConsoleApp, size: Size = (80, 24), engine: RecordedProject | None = None
) -> AsyncIterator[ConsolePilot]:
    """`run_app` with this module's default size."""
    async with run_app(app, size, engine=engine) as pilot:
        yield pilot


def top(app: App[Any]) -> str:
    """Return the first line; empty on a screen that was only just pushed."""
    return "\n".join(row for pane in app.screen.query("#top") for row in painted(pane))


def hints(app: App[Any]) -> str:
    return "\n".join(painted(app.screen.query_one("#hints")))
