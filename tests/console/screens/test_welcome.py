import asyncio
import shlex

import pytest

from autoloop_tui.cli.catalogue import COMMANDS
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.welcome import TYPE, WelcomeApp, WelcomePane
from tests.console.projects import painted


def drive(project, script, size=(80, 24), **options):
    async def main():
        app = WelcomeApp(project, preferences=Preferences(), **options)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(pilot, painted(app.query_one(WelcomePane)))
        return app

    return asyncio.run(main())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_it_says_what_this_is_and_what_to_type(tmp_path, size):
    async def script(pilot, rows):
        text = "\n".join(rows)
        assert "Auto Loop" in text
        assert "There is no loop in" in text
        for command, _ in TYPE:
            assert f"$ {command}" in text
        assert "q quits" in text

    drive(tmp_path, script, size)


def test_only_commands_that_exist_are_named():
    assert {shlex.split(command)[1] for command, _ in TYPE} <= COMMANDS.keys()


@pytest.mark.parametrize("key", ["q", "enter", "ctrl+c"])
def test_it_is_left_by_a_key_and_not_by_esc(tmp_path, key):
    async def script(pilot, rows):
        await pilot.press("escape")
        await pilot.pause()
        assert pilot.app.is_running
        assert not pilot.app._exit
        await pilot.press(key)
        await pilot.pause()
        assert not pilot.app.is_running or pilot.app._exit

    assert drive(tmp_path, script).return_code == 0


def test_nothing_is_written(tmp_path):
    async def script(pilot, rows):
        await pilot.press("q")

    drive(tmp_path, script)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12)])
def test_a_tiny_terminal_is_survived(tmp_path, size):
    async def script(pilot, rows):
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "q quits" in "\n".join(painted(pilot.app.query_one(WelcomePane)))

    drive(tmp_path, script, size)


def test_a_hostile_folder_and_ascii_are_harmless(tmp_path):
    async def script(pilot, rows):
        text = "\n".join(rows)
        assert text.isascii()
        assert "\x1b" not in text

    drive(tmp_path / "\x1b[31m[b]evil\u202e", script, ascii_only=True)


def test_a_theme_of_the_project_is_used(tmp_path):
    themes = tmp_path / "themes"
    themes.mkdir()
    (themes / "mine.toml").write_text('name = "mine"\nprimary = "#ffffff"\nforeground = "#ffffff"\nbackground = "#000000"\n')

    async def main():
        app = WelcomeApp(tmp_path, preferences=Preferences(theme="mine"))
        async with app.run_test() as pilot:
            await pilot.pause()
            assert app.theme == "mine"

    asyncio.run(main())
