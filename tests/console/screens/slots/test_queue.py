"""The dialog that reorders the queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autoloop.model import RunState
from autoloop.protocol import Move, Stop

from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.slots.queue import QueueScreen
from autoloop_tui.console.widgets.row_pane import RowPane
from tests.console.projects import RecordedProject, painted
from tests.console.running import Size, on_top
from tests.console.screens.slots.driving import HOSTILE, SIZES, busy, changed, drive, shown
from tests.console.waiting import settle


@pytest.fixture
def queued(tmp_path: Path) -> RecordedProject:
    project = busy(tmp_path, slots=1)
    for name in ("alpha", "beta", HOSTILE):
        project.run(name, RunState.QUEUED)
    return project


@pytest.mark.parametrize("size", SIZES)
async def test_the_queue_is_reordered_and_runs_are_taken_out(queued: Any, size: Size) -> None:
    async with drive(queued, size) as (pilot, screen):
        await pilot.press("e")
        await settle(pilot)
        assert isinstance(pilot.app.screen, QueueScreen)
        assert shown(pilot).index("alpha") < shown(pilot).index("beta")
        await pilot.press("greater_than_sign")
        assert queued.commands()[-1] == Move(run="run00003", before="run00005")
        await pilot.press("less_than_sign")  # the first one cannot move further up
        await pilot.press("j", "j", "j")
        await pilot.press("less_than_sign")
        assert queued.commands()[-1] == Move(run="run00005", before="run00004")
        await pilot.press("k", "greater_than_sign")
        assert queued.commands()[-1] == Move(run="run00004", before=None)
        assert len(queued.commands()) == 3
        await pilot.press("x")
        await settle(pilot)
        assert isinstance(pilot.app.screen, Confirm)
        await pilot.press("enter")
        await settle(pilot)
        assert len(queued.commands()) == 3
        await pilot.press("x")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert queued.commands()[-1] == Stop(run="run00004")
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen


async def test_the_cursor_of_the_queue_stays_on_its_run(queued: Any) -> None:
    async with drive(queued) as (pilot, _):
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("j")
        queue = on_top(pilot.app, QueueScreen)
        assert queue.chosen == "run00004"
        queued.store.put_run(changed(queued.store.run("run00003"), state=RunState.STOPPED))
        pilot.app.tick()
        queue.repaint()
        assert queue.chosen == "run00004"
        rows = painted(queue.query_one(RowPane))
        assert rows[0].startswith(">   1  beta")


async def test_an_empty_queue_says_so(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        await pilot.press("e")
        await settle(pilot)
        assert "the queue is empty" in shown(pilot)
        assert pilot.app.screen is screen
