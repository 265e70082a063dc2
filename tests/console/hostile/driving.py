"""Driving the console while checking every cell that it draws."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from autoloop.model import (
    Change,
    Run,
    RunState,
)
from rich.cells import cell_len
from textual.app import App
from textual.pilot import Pilot

from autoloop_tui.console.app import ConsoleApp
from tests.console.pictures import rows
from tests.console.projects import CONFIG, RecordedProject
from tests.console.running import ConsolePilot, Size, run_app
from tests.console.waiting import laid_out, processed, until

SCREENS = {
    "slots": [],
    "slots-charts": ["m"],
    "slots-config": ["d"],
    "queue": ["e"],
    "proposals": ["p"],
    "rounds": ["r"],
    "compare": ["c"],
    "run-charts": ["enter"],
    "run-log": ["enter", "2"],
    "run-config": ["enter", "3"],
    "run-launch": ["enter", "4"],
    "help": ["question_mark"],
    "confirm": ["x"],
}
"""By screen: the keys that lead to it from the first screen."""


def every_other(names: Iterable[str], first: int = 0) -> list[Any]:
    """Return every other screen as a parameter.

    `make test-faults` also runs those in between, which another test covers by default.
    """
    return [
        name if number % 2 == first else pytest.param(name, marks=pytest.mark.faults) for number, name in enumerate(names)
    ]


NAMES = {
    "markup": "[bold red]x[/] [@click=app.quit()]y[/]",
    "control": "a\x1b[31mb\x1b]0;t\x07c\rd\ne\x00f\x9b2Jg\x7f",
    "rtl": "שלום \u202egnp.exe\u202c مرحبا \u200f\u2066x\u2069",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 e\u0301\u0302\u0303 搬运 \ufeff\u200b z\u0489\u0489",
}


def family(
    project: RecordedProject, name: str = "variant", log: str | bytes = "INFO step 1\nINFO the end\n", **more: Any
) -> Run:
    """Add a finished run, a running variant of it in slot 0, a queued run, and a pending proposal."""
    base = project.run("base", log="INFO fine\n")
    config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.15}}
    running = project.run(name, RunState.RUNNING, base=base, config=config, log=log, **more)
    project.run("waits", RunState.QUEUED, base=base, config={**CONFIG, "seed": 7})
    change = Change(path="ot.loss_config.reg", before=0.1, after=0.16)
    project.proposal(base, ["ot.loss_config.reg=0.16"], changes=[change])
    return running


@asynccontextmanager
async def drive(app: App[Any], size: Size = (120, 40)) -> AsyncIterator[Pilot[Any]]:
    """Run any app, and wait for a few periods of its clock."""
    async with app.run_test(size=size) as pilot:
        await look(pilot)
        yield pilot


@asynccontextmanager
async def console(project: RecordedProject, size: Size = (120, 40)) -> AsyncIterator[ConsolePilot]:
    """Run the console on a loop that has an engine."""
    async with run_app(project.app(), size, engine=project) as pilot:
        await look(pilot)
        yield pilot


async def look(pilot: Pilot[Any], turns: int = 4) -> None:
    """Advance the console's clock a few times, then check everything on the screen."""
    for _ in range(turns):
        if isinstance(pilot.app, ConsoleApp):
            pilot.app.tick()
        await processed(pilot)
    await pilot.pause()
    # The screen is laid out again after a resize.
    await until(pilot, lambda: laid_out(pilot.app), "the new size")
    harmless(pilot.app)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
    await look(pilot)


def back_to_slots(app: Any) -> None:
    while len(app.screen_stack) > 2:
        app.pop_screen()


def harmless(app: App[Any]) -> None:
    """Assert that every row is as wide as the terminal and contains only printable characters of known width."""
    painted = rows(app)
    assert len(painted) == app.size.height
    for row in painted:
        line = "".join(segment.text for segment in row)
        acting = [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        assert not acting, f"{acting!r} in {line!r}"
        assert cell_len(line) == app.size.width, line


HOSTILE_LOG = (
    b"\x1b[31mred\x1b[0m \x1b[2J\x1b[H cleared [bold]markup[/bold] \x1b]0;a title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"
    b"\x1b]52;c;cGFzdGU=\x07\x1bP1;2|dcs\x1b\\ pasteboard\n"
    b"\xff\xfe\x80 invalid \xe6\x97 cut\n"
    + "搬运 wide, e\u0301\u0302 combining, 👩‍👩‍👧 joined, \u202e right to left\n".encode()
    + b"\r".join(b"%d%%|#### | %d/200000" % (n // 2000, n) for n in range(0, 200_000, 10))
    + b"\n"
    + b"w" * (10 << 20)
    + b"\n\x00\x01\x02\x9b31mC1\nINFO the last line\n"
)
