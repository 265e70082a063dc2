from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from autoloop_tui.cli.catalogue import COMMANDS
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.welcome import TYPE, WelcomeApp, WelcomePane
from tests.console.projects import painted
from tests.console.running import Size
from tests.console.waiting import has_quit


@asynccontextmanager
async def drive(project: Path, size: Size = (80, 24), **options: Any) -> AsyncIterator[tuple[Pilot[int], list[str]]]:
    """Run the welcome screen and return its rows as drawn."""
    app = WelcomeApp(project, preferences=Preferences(), **options)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot, painted(app.query_one(WelcomePane))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_it_says_what_this_is_and_what_to_type(tmp_path: Path, size: Size) -> None:
    async with drive(tmp_path, size) as (_, rows):
        text = "\n".join(rows)
        assert "Auto Loop" in text
        assert "There is no loop in" in text
        for command, _ in TYPE:
            assert f"$ {command}" in text
        second = next(at for at, row in enumerate(rows) if f"$ {TYPE[1][0]}" in row)
        assert not rows[second - 1].strip()  # only as many blank rows as necessary are dropped
        assert "q quits" in text


def test_only_commands_that_exist_are_named() -> None:
    assert {shlex.split(command)[1] for command, _ in TYPE} <= COMMANDS.keys()


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_it_is_left_by_a_key_and_not_by_esc(tmp_path: Path, key: str) -> None:
    async with drive(tmp_path) as (pilot, _):
        await pilot.press("escape")
        await pilot.pause()
        assert not has_quit(pilot.app)
        await pilot.press(key)
        await pilot.pause()
        assert has_quit(pilot.app)

    assert pilot.app.return_code == 0


async def test_nothing_is_written(tmp_path: Path) -> None:
    async with drive(tmp_path) as (pilot, _):
        await pilot.press("q")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12)])
async def test_a_tiny_terminal_is_survived(tmp_path: Path, size: Size) -> None:
    async with drive(tmp_path, size) as (pilot, _):
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "q quits" in "\n".join(painted(pilot.app.query_one(WelcomePane)))


async def test_a_hostile_folder_and_ascii_are_harmless(tmp_path: Path) -> None:
    async with drive(tmp_path / "\x1b[31m[b]evil\u202e", ascii_only=True) as (_, rows):
        text = "\n".join(rows)
        assert text.isascii()
        assert "\x1b" not in text


async def test_a_theme_of_the_project_is_used(tmp_path: Path) -> None:
    themes = tmp_path / "themes"
    themes.mkdir()
    (themes / "mine.toml").write_text('name = "mine"\nprimary = "#ffffff"\nforeground = "#ffffff"\nbackground = "#000000"\n')

    app = WelcomeApp(tmp_path, preferences=Preferences(theme="mine"))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "mine"


async def test_the_demo_and_a_plan_of_the_configs_found_are_a_key_away(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    for name in ("configs/b.json", "configs/a.json", "pyproject.toml"):
        (tmp_path / name).write_text("{}")
    async with drive(tmp_path) as (pilot, rows):
        assert "▸ $ autoloop-tui demo" in "\n".join(rows)
        await pilot.press("j", "j")
        rows = painted(pilot.app.query_one(WelcomePane))
        assert "▸ $ autoloop-tui run --cfgs configs/*.json" in "\n".join(rows)
        assert "pyproject" not in "\n".join(rows)
        await pilot.press("enter")
        await pilot.pause()
        assert has_quit(pilot.app)
        assert isinstance(pilot.app, WelcomeApp)
        assert pilot.app.chosen == ["run", "--cfgs", "configs/a.json", "configs/b.json"]
    async with drive(tmp_path) as (pilot, _):
        await pilot.press("enter")
        assert isinstance(pilot.app, WelcomeApp)
        assert pilot.app.chosen == ["demo"]
