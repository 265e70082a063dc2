"""The screens are readable in every theme: each text is checked against its background, as drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.color import Color

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.theming import contrast
from autoloop_tui.console.theming.colours import RGB, Depth
from autoloop_tui.console.theming.theme_files import load_themes
from tests.console.gallery import lead
from tests.console.pictures import rows
from tests.console.running import ConsolePilot
from tests.console.states import broke, sample
from tests.console.still_loop import stand_still
from tests.console.theming.test_depths import TERMINALS, use
from tests.console.waiting import settle

LEAST = 3.0
"""The minimum contrast of dim text and of states, as in `themes --check`."""
DRAWN = set("─│┤┌┐└┘╭╮╰╯┄╌╎░▒█▉▊▋▌▍▎▏▁▂▃▄▅▆▇▔‖┊· ") | {chr(code) for code in range(0x2800, 0x2900)}
"""Lines, bars, curves, and the dots between two texts, which need not be readable."""
THEMES = [theme.name for theme in load_themes(None, {"HOME": "/nonexistent"}).themes.values() if not theme.ansi]
SCREENS = ("slots", "proposals", "rounds", "compare", "run-charts", "run-log", "finish", "help")
"""Dialogs are not among them: what they cover is faint on purpose."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    stand_still(monkeypatch, tmp_path, sample("broke"))
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def parts(colour: Color | None) -> RGB | None:
    if colour is None or colour.is_default:
        return None
    red, green, blue = colour.get_truecolor()
    return red, green, blue


def pairs(app: ConsoleApp) -> set[tuple[str, RGB, RGB]]:
    """Return each drawn text with its colour and that of its background."""
    found = set()
    for segment in (each for row in rows(app) for each in row if each.style and not set(each.text) <= DRAWN):
        assert segment.style is not None
        front, back = parts(segment.style.color), parts(segment.style.bgcolor)
        if segment.style.reverse:
            front, back = back, front
        if front and back:
            found.add((segment.text.strip()[:40], front, back))
    return found


@pytest.mark.parametrize("depth", [Depth.PALETTE, Depth.FULL])
async def test_every_text_on_every_screen_can_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch, depth: Depth) -> None:
    """Each screen is opened once and drawn in every theme."""
    use(monkeypatch, TERMINALS[depth])
    night = broke(folder)
    app = night.app(theme=THEMES[0])
    faint = set()

    with night.engine():
        async with app.run_test(size=(120, 40)):
            pilot = ConsolePilot(app)
            for screen in SCREENS:
                await lead(pilot, night, screen)
                seen = set()
                for theme in THEMES:
                    app.theme = theme
                    await settle(pilot)
                    drawn = pairs(app)
                    seen.add(frozenset(drawn))
                    faint |= {
                        f"{screen} in {theme}: {text!r} {front} on {back}"
                        for text, front, back in drawn
                        if contrast.ratio(front, back) < LEAST
                    }
                assert len(seen) == len(THEMES), f"{screen} is not drawn in each theme"
    night.store.close()
    assert not faint, "\n".join(sorted(faint))
