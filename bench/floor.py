"""What nothing can be faster than on this machine, for the benches of the console: Python alone, and a bare Textual app.

The app shows three lines, of which a key changes the last: its first paint and its key → paint are what Textual, tmux and
the pty cost. A figure of the console beside that of the same minute tells more than one beside a figure of another machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

APP = """
from textual.app import App
from textual.widgets import Static


class Bare(App):
    BINDINGS = [("j", "next"), ("q", "quit")]
    presses = 0

    def compose(self):
        yield Static("a first line")
        yield Static("a second line")
        yield Static("the line number 0000", id="last")

    def action_next(self):
        self.presses += 1
        self.query_one("#last", Static).update(f"the line number {self.presses:04d}")


Bare().run()
"""
STARTS, KEYS = 5, 25


class Client(Protocol):
    """A terminal on a pty of ours: see `console.Terminal`."""

    def read(self, seconds: float, until: Sequence[str] = ()) -> float | None: ...
    def press(self, key: bytes) -> float: ...
    def close(self) -> None: ...


class Floor(NamedTuple):
    """Milliseconds, each from a start or a key of its own."""

    python: list[float]
    first_paint: list[float]
    key: list[float]


def measure_floor(folder: Path, opened: Callable[[str], Client]) -> Floor:
    """`opened` runs a command in a terminal, in which Python writes its bytecode as always."""
    started = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True, env=dict(os.environ))
        started.append((time.perf_counter() - begin) * 1e3)
    app = folder / "bare.py"
    app.write_text(APP)
    painted, keys = [], []
    for turn in range(STARTS):
        begin = time.perf_counter()
        terminal = opened(f"exec {sys.executable} {app}")
        shown = terminal.read(20, ["number 0000"])
        painted.append(((shown or time.perf_counter()) - begin) * 1e3)
        terminal.read(0.5)
        for _ in range(KEYS if turn == STARTS - 1 else 0):
            pressed = terminal.press(b"j")
            arrived = terminal.read(2, [""])  # the first byte
            keys.append(((arrived or pressed + 2) - pressed) * 1e3)
            terminal.read(0.13)
        terminal.close()
    return Floor(started, painted, keys)
