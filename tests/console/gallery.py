"""Pictures of every screen, in four sizes, in each state of a loop and in each theme: `python -m tests.console.gallery`.

They are SVG files, `<folder>/<state>/<screen>-<columns>x<rows>-<theme>.svg`, with a text file of the same name beside each
of the first theme. `--screen`, `--state`, `--size` and `--theme` choose some of them. The loops are those of
tests/console/states.py: written as an engine would have left them, at a moment that does not pass.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import ModalScreen

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.plan import PlanApp
from autoloop_tui.console.screens.proposals.editor import EditTable
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.screens.welcome import WelcomeApp
from docs.make_pictures import TERMINAL, local_fonts, size
from tests.console.pictures import text
from tests.console.running import Size, at_each
from tests.console.states import DRIVEN, STATES, Night, sample
from tests.console.still_loop import relative, settle, stand_still

NO_LOOP = "none"
"""Used in place of a state for the screens that need no loop."""
SIZES: list[Size] = [(80, 24), (120, 40), (160, 45), (200, 50)]
THEMES = ["dark", "light"]
SCREENS: dict[str, list[str]] = {
    "slots": [],
    "slots-charts": ["m"],
    "slots-diff": ["d"],
    "queue": ["e"],
    "stop": ["x"],
    "explain": ["i"],
    "proposals": ["p"],
    "proposal": ["p", "enter"],
    "editor": ["p", "e"],
    "editor-new": ["p", "v", "enter", "r", "e", "g"],
    "rounds": ["r"],
    "rounds-seeds": ["r", "z"],
    "rounds-tree": ["r", "b"],
    "rounds-sort": ["r", "o"],
    "round-chart": ["r", "M"],
    "compare": ["c"],
    "run-charts": ["enter"],
    "run-log": ["enter", "2"],
    "run-config": ["enter", "3"],
    "run-launch": ["enter", "4"],
    "logs": ["I"],
    "finish": ["W"],
    "agents": ["at"],
    "help": ["question_mark"],
    "palette": ["colon"],
}
"""By screen: the keys that lead to it from Slots."""
ONLY = {"queue": ("running", "broke"), "stop": ("running", "broke"), "editor": ("deciding",)}
ONLY["editor-new"] = ("running", "broke", "deciding")
"""The states in which a screen can be reached, if not in all."""

PLAN = """Plan of one loop: 3 configs, 1 round, 2 slots
  gpu 0  act_base       configs/act_base.json
  gpu 1  act_reg_040    configs/act_reg_040.json
  queue  act_tau_050    configs/act_tau_050.json

Nothing has been started. `--exec` starts it."""


async def lead(pilot: Pilot[Any], night: Night, name: str) -> None:
    """Go to a screen from wherever the console is, and wait until everything it shows has been read."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await close_dialogs(pilot)
    await pilot.press("escape", "escape", "s", "L")
    app.marked = []
    if name == "compare":
        app.marked = [night.base.id, night.better.id, *(run.id for run in night.store.runs(night.loop.id)[-3:])]
    for key in SCREENS[name]:
        await pilot.press(key)
        await pilot.pause()
    await settle(pilot)
    if not app.is_running:
        raise SystemExit(f"{name}: the console has ended")


async def close_dialogs(pilot: Pilot[Any]) -> None:
    """Close all dialogs: discard the text of an editor, and answer every other question with no."""
    app = pilot.app
    while isinstance(app.screen, ModalScreen):
        discards = isinstance(app.screen, Confirm) and isinstance(app.screen_stack[-2], EditTable)
        await pilot.press("y" if discards else "escape")
        await pilot.pause()


async def keep(pilot: Pilot[Any], folder: Path, name: str, shown: Size, theme: str) -> None:
    await pilot.pause()
    app = pilot.app
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{shown[0]}x{shown[1]}-{theme}.svg"
    path.write_text(local_fonts(app.export_screenshot(title="autoloop-tui")), encoding="utf-8")
    if theme == THEMES[0]:
        path.with_suffix(".txt").write_text(text(app) + "\n", encoding="utf-8")


async def take(out: Path, state: str, themes: list[str], screens: Iterable[str], sizes: list[Size], here: Path) -> None:
    """Take every screen of one state in one console: each is reached once and drawn in every theme."""
    night = STATES[state](here)
    relative(night)
    app = night.app(theme=themes[0])
    with night.engine() if state in DRIVEN else nullcontext():
        async with app.run_test(size=sizes[0]) as pilot:
            async for shown in at_each(pilot, sizes):
                for name in screens:
                    if state not in ONLY.get(name, STATES):
                        continue
                    await lead(pilot, night, name)
                    await keep(pilot, out / state, name, shown, themes[0])
                    for theme in themes[1:]:
                        app.theme = theme
                        if isinstance(app.screen, ModalScreen):  # a dialog keeps the colours from when it was opened
                            await lead(pilot, night, name)
                        await keep(pilot, out / state, name, shown, theme)
                    app.theme = themes[0]
                    if isinstance(app.screen, RoundsScreen):  # its initial view: by round, seeds of a config in one row
                        app.screen.as_tree = False
                        app.screen.open.clear()
    night.store.close()


async def take_others(out: Path, themes: list[str], sizes: list[Size]) -> None:
    """Take the screens that need no loop."""
    preferences = Preferences(theme=themes[0])
    apps: dict[str, App[Any]] = {
        "welcome": WelcomeApp(Path("/data/act-ot"), preferences=preferences),
        "plan": PlanApp("tau sweep", PLAN),
    }
    for name, app in apps.items():
        async with app.run_test(size=sizes[0]) as pilot:
            async for shown in at_each(pilot, sizes):
                await settle(pilot)
                for theme in themes:
                    app.theme = theme
                    await keep(pilot, out, name, shown, theme)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=Path("build/gallery"), help="the folder (build/gallery)")
    parser.add_argument("--screen", choices=SCREENS, action="append", help="may be repeated, as the others (all)")
    parser.add_argument("--state", choices=[*STATES, NO_LOOP], action="append")
    parser.add_argument("--size", type=size, action="append", help="COLUMNSxROWS")
    parser.add_argument("--theme", action="append")
    given = parser.parse_args()
    os.environ |= TERMINAL
    out, sizes, themes = given.out.resolve(), given.size or SIZES, given.theme or THEMES
    for state in given.state or [*STATES, *([] if given.screen else [NO_LOOP])]:
        if state == NO_LOOP:
            asyncio.run(take_others(out, themes, sizes))
            continue
        with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory(prefix="autoloop-") as folder:
            stand_still(patched, Path(folder), sample(state))
            asyncio.run(take(out, state, themes, given.screen or SCREENS, sizes, Path(folder)))
        print(out / state, flush=True)
    time.tzset()


if __name__ == "__main__":
    main()
