"""The console: the user's settings, keys, themes and letters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from textual.app import App

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.theming import theme_watch
from tests.console.app.driving import drive, hints, top
from tests.console.pictures import rows, text
from tests.console.projects import RecordedProject
from tests.console.waiting import notices, settle


async def test_remapped_keys_work_and_are_what_is_shown(project: RecordedProject, settings: Any, tmp_path: Path) -> None:
    (settings / "console.toml").write_text('[keys]\n"app.rounds" = "Z, f5"\n"slots.stop" = "ctrl+x"\n"app.pause" = "f7"\n')
    chosen = Preferences.load(os.environ)
    assert chosen.problems == []
    project.change_loop(paused=True)

    async with drive(ConsoleApp(project.folder, preferences=chosen), (200, 50), engine=project) as pilot:
        app = pilot.app
        assert " Z rounds" in hints(app)
        assert "^x stop" in hints(app)
        assert "paused: f7 continues" in top(app)
        await pilot.press("r")
        await settle(pilot)
        assert isinstance(app.screen, SlotsScreen)
        for key in ("Z", "f5"):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, RoundsScreen)
            await pilot.press("q")
            await settle(pilot)
        await pilot.press("x")
        await settle(pilot)
        assert isinstance(app.screen, SlotsScreen)
        await pilot.press("ctrl+x")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)


async def test_what_cannot_be_used_of_the_settings_is_said_and_costs_only_itself(
    project: RecordedProject, settings: Any, tmp_path: Path
) -> None:
    (settings / "console.toml").write_text(
        'theme = "no-such"\nnotify = "loud"\nmouze = false\nascii = true\nproblems = ["x"]\n'
        '[keys]\n"slots.stpo" = "Z"\n"slots.open" = "j"\n"slots.log" = 3\n"app.help" = "f2"\n'
    )
    chosen = Preferences.load(os.environ)
    assert chosen.ascii
    assert chosen.notify == "off"
    assert chosen.keys == {"slots.open": "j", "app.help": "f2"}
    told = "\n".join(chosen.problems)
    assert 'no action "slots.stpo"; did you mean "slots.stop"?' in told
    assert 'notify = "loud" is ignored' in told
    assert 'no setting "mouze"; did you mean "mouse"?' in told
    assert 'no setting "problems"' in told
    assert 'the keys of "slots.log" must be text' in told
    assert '"slots.open" and "slots.down" both use the key j' in told

    async with drive(ConsoleApp(project.folder, preferences=chosen), (120, 40)) as pilot:
        assert notices(pilot.app) == ['there is no theme "no-such"; `autoloop-tui themes` lists them', *chosen.problems]
        assert pilot.app.theme in pilot.app.themes


@pytest.mark.parametrize("content", ["theme = ", "keys = 3", "\ufeff[", 'theme = 3\nmouse = "yes"'])
def test_a_broken_settings_file_leaves_the_defaults(settings: Any, tmp_path: Path, content: str) -> None:
    (settings / "console.toml").write_text(content)
    chosen = Preferences.load(os.environ)
    assert chosen.problems
    assert (chosen.theme, chosen.mouse, chosen.keys) == ("dark", True, {})


async def test_the_next_theme_is_remembered_and_the_settings_file_overrules_it(
    project: RecordedProject, settings: Any, tmp_path: Path
) -> None:
    async with drive(ConsoleApp(project.folder)) as pilot:
        names = list(pilot.app.themes)
        seen = [pilot.app.theme]
        for _ in names:
            await pilot.press("T")
            seen.append(pilot.app.theme)
        assert sorted(seen[:-1]) == sorted(names)
        assert seen[-1] == seen[0]
        await pilot.press("T")
        assert f"theme {pilot.app.theme}" in hints(pilot.app)
        assert Preferences.load(os.environ).theme == pilot.app.theme == seen[1]
    (settings / "console.toml").write_text('theme = "light"\n')
    assert Preferences.load(os.environ).theme == "light"


@pytest.mark.parametrize("no_color", [False, True])
async def test_no_color_paints_in_grey(project: RecordedProject, monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    async with drive(project.app(), engine=project) as pilot:
        colours = {
            colour.triplet
            for row in rows(pilot.app)
            for segment in row
            if segment.style
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour and colour.triplet
        }
        assert any(len({*triplet}) > 1 for triplet in colours) is not no_color
        assert "running" in text(pilot.app)


@pytest.mark.parametrize("ascii_only", [True, None])
async def test_ascii_may_be_asked_for_by_flag_or_in_the_settings(project: RecordedProject, ascii_only: bool | None) -> None:
    async with drive(
        ConsoleApp(project.folder, preferences=Preferences(ascii=not ascii_only), ascii_only=ascii_only)
    ) as pilot:
        assert text(pilot.app).isascii()


MINE = 'name = "mine"\nprimary = "#ffffff"\nforeground = "#{0}"\nbackground = "#000000"\n'


@pytest.mark.parametrize("whose", ["user", "project"])
async def test_theme_files_are_taken_up_while_it_runs(
    project: RecordedProject, settings: Any, monkeypatch: pytest.MonkeyPatch, whose: Any
) -> None:
    monkeypatch.setattr(theme_watch, "EVERY", 0.0)
    folder = settings / "themes" if whose == "user" else project.folder / "themes"
    folder.mkdir()

    def colour(app: App[Any]) -> Any:
        return app.screen.query_one("#top").rich_style.color.name

    async with drive(project.app()) as pilot:
        app = pilot.app
        first = app.theme
        (folder / "mine.toml").write_text(MINE.format("123456"))
        app.tick()
        assert "mine" in app.available_themes
        assert app.theme == first
        app.use_theme("mine")
        await settle(pilot)
        assert colour(app) == "#123456"
        (folder / "mine.toml").write_text(MINE.format("abcdef"))
        os.utime(folder / "mine.toml", ns=(1, 1))
        app.tick()
        await settle(pilot)
        assert colour(app) == "#abcdef"
        (folder / "mine.toml").write_text("name = ")
        for _ in range(3):
            app.tick()
        await settle(pilot)
        (said,) = notices(app)
        assert "mine.toml: it is not valid TOML" in said
        assert app.theme != "mine"
        (folder / "mine.toml").write_text(MINE.format("123456"))
        app.tick()
        await settle(pilot)
        assert (app.theme, colour(app)) == ("mine", "#123456")  # still the one the user chose
        (folder / "mine.toml").unlink()
        app.tick()
        await settle(pilot)
        assert "mine" not in app.available_themes
        assert app.theme in app.themes
        assert len(notices(app)) == 1


async def test_theme_files_that_did_not_change_are_not_read_again(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(theme_watch, "EVERY", 0.0)

    async with drive(project.app()) as pilot:
        monkeypatch.setattr("autoloop_tui.console.themed_app.load_themes", lambda *_: pytest.fail("read again"))
        for _ in range(3):
            pilot.app.tick()
