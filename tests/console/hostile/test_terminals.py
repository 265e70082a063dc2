"""The console is drawn correctly on a terminal of any size, and after any change of size."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from textual import geometry
from textual.pilot import Pilot

from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.plan import PlanApp
from autoloop_tui.console.screens.welcome import WelcomeApp
from tests.console.hostile.driving import NAMES, SCREENS, console, drive, every_other, family, look, press
from tests.console.pictures import picture, text
from tests.console.projects import RecordedProject
from tests.console.waiting import processed, resize_now

TIMES = pytest.mark.parametrize("times", [30, pytest.param(300, marks=pytest.mark.faults)])


async def resize_often(pilot: Pilot[Any], times: int, seed: Any) -> None:
    """Resize to sizes from 1 × 1 to 250 × 80 cells, in bursts faster than the drawing, with a check now and then."""
    sizes = random.Random(seed)
    for n in range(times):
        size = geometry.Size(1, 1) if n == times // 2 else geometry.Size(sizes.randint(1, 250), sizes.randint(1, 80))
        resize_now(pilot.app, size)
        if n % 4 == 0:
            await processed(pilot)
        if n % 10 == 0:
            await look(pilot, 1)
    await pilot.resize_terminal(120, 40)
    await look(pilot)


@TIMES
@pytest.mark.parametrize("screen", [name for name in SCREENS if name not in ("queue", "slots-config", "run-launch")])
async def test_a_screen_survives_a_terminal_of_any_size_and_is_right_afterwards(
    project: RecordedProject, screen: Any, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    family(project)

    async with console(project) as pilot:
        # What is under a dialog is not redrawn, so wait until the histories have been read, and stop the clock.
        while "@200" not in text(pilot.app):
            await look(pilot, 1)
        monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
        await look(pilot)
        await press(pilot, *SCREENS[screen])
        await look(pilot)
        before = picture(pilot.app)
        await resize_often(pilot, times, screen)
        assert picture(pilot.app) == before


@pytest.mark.parametrize("screen", every_other(SCREENS, 1))
async def test_a_screen_opens_on_a_terminal_of_one_cell(project: RecordedProject, screen: Any) -> None:
    family(project)

    async with console(project, (1, 1)) as pilot:
        await press(pilot, *SCREENS[screen])
        await press(pilot, "j", "k", "G", "tab", "l")
        await pilot.resize_terminal(80, 24)
        await look(pilot)
        assert text(pilot.app).strip()


@TIMES
@pytest.mark.parametrize("kind", ["plan", "welcome"])
async def test_the_plan_and_the_welcome_survive_a_terminal_of_any_size(tmp_path: Path, kind: Any, times: int) -> None:
    hostile = " ".join(NAMES.values())
    made = PlanApp(hostile, f"a plan\n{hostile}\n" * 50) if kind == "plan" else None
    app = made or WelcomeApp(Path(hostile.replace("\x00", "")), preferences=Preferences())

    async with drive(app) as pilot:
        before = picture(pilot.app)
        await resize_often(pilot, times, kind)
        assert picture(pilot.app) == before
