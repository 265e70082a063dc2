"""The colours and characters sent to a real terminal are those that it supports, without a flag."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop_tui.console.theming.colours import Depth, nearest_256, rgb
from autoloop_tui.console.theming.theme_files import load_themes
from tests.support.waiting import eventually

DARK = load_themes(None, {"HOME": "/nonexistent"}).themes["dark"].at[Depth.PALETTE]
PROGRAM = shlex.join([sys.executable, "-m", "autoloop_tui"])


@pytest.fixture
def socket() -> Iterator[str]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    name = f"autoloop-colours-{os.getpid()}-{secrets.token_hex(4)}"
    yield name
    subprocess.run(["tmux", "-L", name, "kill-server"], capture_output=True, check=False)


def welcome(socket: str, folder: Path, *settings: str) -> str:
    """Return the first screen in a terminal with these settings, including the colour sequences."""

    def tmux(*arguments: str) -> str:
        call = ["tmux", "-L", socket, "-f", "/dev/null", *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=True, cwd=folder).stdout

    words = ["env", "-u", "COLORTERM", "-u", "NO_COLOR", f"HOME={folder}", *settings]
    tmux("new-session", "-d", "-x", "110", "-y", "30", f"{shlex.join(words)} {PROGRAM}; cat")
    eventually(lambda: "quits" in tmux("capture-pane", "-p"))
    return tmux("capture-pane", "-e", "-p")


PLAIN: dict[str, tuple[str, ...]] = {"plain": (), "screen": ("TERM=screen-256color",), "xterm": ("TERM=xterm-256color",)}


@pytest.mark.parametrize("settings", PLAIN.values(), ids=PLAIN.keys())
def test_a_terminal_without_24_bit_gets_the_numbers_that_the_theme_states(
    socket: str, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    shown = welcome(socket, tmp_path, *settings)
    sent = {int(number) for number in re.findall(r"[34]8;5;(\d+)", shown)}
    stated = {rgb(value.split()[0]) for value in {**DARK.colours, **DARK.variables}.values() if value.startswith("#")}
    assert 234 in sent
    assert sent <= {nearest_256(parts) for parts in stated if parts}
    assert not re.search(r"[34]8;2;", shown)


def test_a_terminal_of_24_bit_gets_24_bit(socket: str, tmp_path: Path) -> None:
    shown = welcome(socket, tmp_path, "COLORTERM=truecolor")
    assert "48;2;18;21;28" in shown
    assert not re.search(r"[34]8;5;", shown)


def test_the_linux_console_gets_sixteen_colours_and_ascii(socket: str, tmp_path: Path) -> None:
    shown = welcome(socket, tmp_path, "TERM=linux")
    assert not re.search(r"[34]8;[25];", shown)
    assert re.search(r"\x1b\[[0-9;]*(3|9)[0-7]m", shown)
    assert shown.isascii()
