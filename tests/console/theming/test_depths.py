"""The console in each theme and colour depth sends exactly the theme's colours to the terminal."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorType
from textual import color as textual_color
from textual.widgets import Input

from autoloop_tui.console.screens.dialogs import Ask
from autoloop_tui.console.theming.colours import Depth, nearest_256, rgb
from autoloop_tui.console.theming.theme_files import ThemeFile, load_themes
from tests.console.pictures import rows, text
from tests.console.projects import RecordedProject
from tests.console.running import run_app
from tests.console.waiting import settle

SHIPPED = load_themes(None, {"HOME": "/nonexistent"}).themes
TERMINALS = {
    Depth.SIXTEEN: {"TERM": "xterm"},
    Depth.PALETTE: {"TERM": "screen-256color"},
    Depth.FULL: {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
}
OWN = (ColorType.STANDARD, ColorType.DEFAULT)


def use(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in ("TERM", "COLORTERM", "TMUX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


async def colours(project: RecordedProject, theme: str, *keys: str) -> tuple[set[Color], set[Color]]:
    """Return the text and background colours sent to the terminal for the first screen after `keys`."""
    async with run_app(project.app(theme=theme), (120, 40), engine=project) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        styles = [segment.style for row in rows(pilot.app) for segment in row if segment.style]
        return {s.color for s in styles if s.color}, {s.bgcolor for s in styles if s.bgcolor}


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
async def test_a_screen_has_the_colours_that_the_theme_states(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch, theme: ThemeFile, depth: Depth
) -> None:
    use(monkeypatch, TERMINALS[depth])
    front, back = await colours(project, theme.name)
    look = theme.at[depth]
    if look.ansi:
        assert {colour.type for colour in front | back} <= set(OWN)
        return
    grounds = {rgb(look.colours[name]) for name in ("background", "surface", "panel")}
    stated = {rgb(value) for value in {**look.colours, **look.variables}.values() if value[0] == "#" and " " not in value}
    if depth is Depth.PALETTE:
        assert {colour.type for colour in front | back} == {ColorType.EIGHT_BIT}
        numbers = {nearest_256(parts) for parts in stated if parts}
        assert {colour.number for colour in front} <= numbers
        assert {colour.number for colour in back} <= {nearest_256(parts) for parts in grounds if parts} | numbers
    else:
        assert {colour.type for colour in front | back} == {ColorType.TRUECOLOR}
        assert {tuple(colour.triplet) for colour in front if colour.triplet} <= stated


@pytest.mark.parametrize("theme", [theme for theme in SHIPPED.values() if not theme.ansi], ids=lambda theme: theme.name)
async def test_what_lies_below_a_dialog_is_grey_in_256_colours(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch, theme: ThemeFile
) -> None:
    use(monkeypatch, TERMINALS[Depth.PALETTE])
    _, back = await colours(project, theme.name, "x")
    variables = theme.at[Depth.PALETTE].variables.values()
    stated = {nearest_256(parts) for value in variables if (parts := rgb(value.split()[0]))}
    assert all(colour.type is ColorType.EIGHT_BIT for colour in back)
    assert {colour.number for colour in back} <= {*range(232, 256), 16, 231} | stated


async def test_no_color_leaves_no_colour_in_any_depth(project: RecordedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for depth, environment in TERMINALS.items():
        use(monkeypatch, environment)
        for colour in set().union(*await colours(project, "dark")):
            if depth is Depth.SIXTEEN:
                assert colour.is_default
            else:
                red, green, blue = colour.get_truecolor()
                assert red == green == blue


async def test_the_linux_console_gets_ascii_and_blocks_without_being_asked(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, {"TERM": "linux"})
    async with run_app(project.app(theme="dark"), (120, 40), engine=project) as pilot:
        shown = text(pilot.app)
        assert "running" in shown
        assert {character for character in shown if not character.isascii()} <= set("█▀▄░▒")
        pilot.app.use_glyphs(ascii_only=False)
        assert not pilot.app.glyphs.ascii_only


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
async def test_a_line_to_type_in_has_the_ground_of_the_theme_in_sixteen_colours(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch, theme: ThemeFile
) -> None:
    use(monkeypatch, TERMINALS[Depth.SIXTEEN])
    async with run_app(project.app(theme=theme.name), (80, 24), engine=project) as pilot:
        pilot.app.push_screen(Ask("Why?", "", placeholder="a reason"))
        await settle(pilot)
        field, stated = pilot.app.screen.query_one(Input), theme.at[Depth.SIXTEEN].colours
        assert field.styles.background == textual_color.Color.parse(stated["background"])
        assert field.styles.color == textual_color.Color.parse(stated["foreground"])
