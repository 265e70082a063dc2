"""A log pane in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widget import Widget

from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import painted


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def body(pane: Widget) -> list[str]:
    return [row.strip() for row in painted(pane)[1:]]


def here(pane: LogTail) -> str:
    """Return the line under the cursor, which must be visible."""
    (row,) = [row for row in painted(pane)[1:] if row.startswith("▌")]
    return row[1:].strip()


async def settled(pilot: Pilot[Any], pane: LogTail) -> None:
    """Wait until the current search has ended."""
    while "searching" in painted(pane)[0]:
        await pilot.pause()
    await pilot.pause()


def opened(pane: LogTail, path: Path, pilot: Pilot[Any]) -> Any:
    pane.open(path, "log of a1")
    pane.focus()
    return pilot.pause()
