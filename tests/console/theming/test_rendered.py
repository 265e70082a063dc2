"""The screens are readable in every theme: each text is checked against its background, as drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.color import Color

from autoloop_tui.console.theming import contrast
from autoloop_tui.console.theming.colours import Depth
from autoloop_tui.console.theming.theme_files import ThemeFile, load_themes
from tests.console.gallery import lead
from tests.console.pictures import rows
from tests.console.running import ConsolePilot
from tests.console.states import broke, sample
from tests.console.still_loop import stand_still
from tests.console.theming.test_depths import TERMINALS, use

LEAST = 3.0
"""The minimum contrast of dim text and of states, as in `themes --check`."""
DRAWN = set("─│┤┌┐└┘╭╮╰╯┄╌╎░▒█▉▊▋▌▍▎▏▁▂▃▄▅▆▇▔‖┊· ") | {chr(code) for code in range(0x2800, 0x2900)}
"""Lines, bars, curves, and the dots between two texts, which need not be readable."""
SCREENS = ("slots", "proposals", "rounds", "compare", "run-charts", "run-log", "finish", "help")
"""Dialogs are not among them: what they cover is faint on purpose."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    stand_still(monkeypatch, tmp_path, sample("broke"))
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def parts(colour: Color | None) -> tuple[int, int, int] | None:
    if colour is None or colour.is_default:
        return None
    red, green, blue = colour.get_truecolor()
    return red, green, blue


@pytest.mark.parametrize("depth", [Depth.PALETTE, Depth.FULL])
@pytest.mark.parametrize(
    "theme",
    [theme for theme in load_themes(None, {"HOME": "/nonexistent"}).themes.values() if not theme.ansi],
    ids=lambda theme: theme.name,
)
async def test_every_text_on_every_screen_can_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, theme: ThemeFile, depth: Depth
) -> None:
    use(monkeypatch, TERMINALS[depth])
    night = broke(folder)
    app = night.app(theme=theme.name)
    faint = set()

    with night.engine():
        async with app.run_test(size=(120, 40)):
            for screen in SCREENS:
                await lead(ConsolePilot(app), night, screen)
                for segment in (each for row in rows(app) for each in row if each.style and not set(each.text) <= DRAWN):
                    assert segment.style is not None
                    front, back = parts(segment.style.color), parts(segment.style.bgcolor)
                    if segment.style.reverse:
                        front, back = back, front
                    if front and back and contrast.ratio(front, back) < LEAST:
                        faint.add(f"{screen}: {segment.text.strip()[:40]!r} {front} on {back}")
    night.store.close()
    assert not faint, "\n".join(sorted(faint))
