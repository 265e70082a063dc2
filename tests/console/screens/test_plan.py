from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.plan import PlanApp, PlanPane
from tests.console.pictures import text
from tests.console.projects import painted
from tests.console.running import Size

PLAN = "\n".join([f"[{n}] \x1b[31mrun_{n} " + "--flag=value " * 40 + "END" for n in range(60)])


@pytest.fixture(autouse=True)
def nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@asynccontextmanager
async def drive(
    size: Size = (80, 24), plan: str = PLAN, name: str = "my plan"
) -> AsyncIterator[tuple[Pilot[bool], PlanPane]]:
    """Show a plan on the screen. The app's `return_value` is the user's decision."""
    app = PlanApp(name, plan)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.pause()
        yield pilot, app.query_one(PlanPane)
        await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
@pytest.mark.parametrize("start", ["S", "enter"])
async def test_it_starts_only_after_a_yes_and_cancel_is_under_the_cursor(size: Size, start: Any) -> None:
    async with drive(size) as (pilot, _):
        for no in ("enter", "n", "q", "escape"):
            await pilot.press(start)
            await pilot.pause()
            assert isinstance(pilot.app.screen, Confirm)
            assert pilot.app.focused.id == "no"
            await pilot.press(no)
            await pilot.pause()
            assert not isinstance(pilot.app.screen, Confirm)
        await pilot.press(start)
        await pilot.pause()
        await pilot.press("y")

    assert pilot.app.return_value is True


@pytest.mark.parametrize("key", ["q", "escape"])
async def test_it_is_left_without_starting(key: str) -> None:
    async with drive() as (pilot, _):
        await pilot.press(key)

    assert pilot.app.return_value is False


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_whole_plan_can_be_read(size: Size) -> None:
    async with drive(size) as (pilot, pane):
        assert "my plan" in text(pilot.app)
        assert "nothing has been started" in text(pilot.app)
        assert painted(pane)[0].strip().startswith("[0] [31mrun_0")
        await pilot.press("j")
        assert painted(pane)[0].strip().startswith("[1]")
        await pilot.press("k", "up")
        assert painted(pane)[0].strip().startswith("[0]")
        await pilot.press(*["ctrl+d"] * 9)
        assert painted(pane)[-1].strip().startswith("[59]")
        await pilot.press(*["ctrl+u"] * 9)
        await pilot.press(*["l"] * 40)
        assert painted(pane)[0].rstrip().endswith("END")
        await pilot.press(*["h"] * 40)
        assert painted(pane)[0].strip().startswith("[0]")


@pytest.mark.parametrize("size", [(1, 1), (20, 4)])
async def test_a_tiny_terminal_and_an_empty_plan_are_survived(size: Size) -> None:
    async with drive(size, plan="") as (pilot, _):
        await pilot.press("j", "l", "ctrl+d")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "start it" in text(pilot.app)


async def test_without_colour_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async with drive() as (pilot, _):
        assert "run_0" in text(pilot.app)
