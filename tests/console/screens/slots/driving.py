"""The Slots screen in a test, on projects with busy slots."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from autoloop.model import RunState
from textual.pilot import Pilot

from autoloop_tui.console.screens.slots.browsing import SLOW
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.widgets.slots.table import SlotTable
from tests.console.pictures import text
from tests.console.projects import CONFIG, RecordedProject, painted
from tests.console.running import ConsolePilot, Size, at_each, run_app
from tests.console.waiting import settle

SIZES = [(80, 24), (120, 40), (200, 50)]
HOSTILE = "\x1b[31mred[b]\u202e" + "漢字" * 30 + "\x07e\u0301nd"


def busy(folder: Path, *, slots: int = 2, **spec: Any) -> RecordedProject:
    """Return a project with one run in each slot, made from a base run, with logs and curves."""
    project = RecordedProject(folder, slots=slots, **spec)
    base = project.run("base")
    for n in range(slots):
        config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.2 + n}}
        project.run(
            f"run_{n}",
            RunState.RUNNING,
            base=base,
            config=config,
            slot=n,
            attempt={"slot": n},
            log="".join(f"run {n} line {i}\n" for i in range(80)),
        )
    return project


@asynccontextmanager
async def drive(
    project: RecordedProject, size: Size = (80, 24), engine: bool = True, **options: Any
) -> AsyncIterator[tuple[ConsolePilot, SlotsScreen]]:
    """Open the Slots screen of the project and wait until everything has been read."""
    app = project.app(**options)
    async with run_app(app, size, engine=project if engine else None) as pilot:
        screen = app.screen
        assert isinstance(screen, SlotsScreen)
        look_again(screen)
        screen.refresh_view()
        await settle(pilot)
        yield pilot, screen


def look_again(screen: SlotsScreen) -> None:
    """Advance the screen's clock often enough that it reads everything again."""
    for _ in range(2 * SLOW):
        screen.tick()


async def read_at_each(pilot: ConsolePilot, screen: SlotsScreen, sizes: Sequence[Size]) -> AsyncIterator[Size]:
    """Yield each size of the terminal in turn, once the screen has read and redrawn everything for it."""
    async for size in at_each(pilot, sizes):
        look_again(screen)
        screen.refresh_view()
        await settle(pilot)
        yield size


def table(screen: SlotsScreen) -> str:
    return "\n".join(painted(screen.query_one(SlotTable)))


def shown(pilot: Pilot[Any]) -> str:
    return text(pilot.app)


def changed(struct: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(struct, **changes)
