"""Consoles in real terminals that get input without pauses: none of them ends early."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.console.projects import RecordedProject
from tests.support.waiting import PATIENCE

KEYS = [*"sprc?jklmdenxQ/a1234oLGgTyuHS", "Enter", "Escape", "Tab", "Space", "C-p", "C-u", "C-d", "Up", "Down", "BSpace"]


@pytest.fixture
def driven(project: RecordedProject) -> Iterator[Any]:
    """An engine that never answers, so that every dialog opens and every command is sent."""
    with project.engine():
        yield project


@pytest.mark.parametrize("sessions", [2, pytest.param(32, marks=pytest.mark.faults)])
def test_fast_keys_never_end_a_console(driven: Any, sessions: Any) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    folder = driven.folder
    socket = f"autoloop-fast-{os.getpid()}"
    # `echo` prints how it ended; the quotes keep the command line itself from matching.
    command = f"{shlex.join([sys.executable, '-m', 'autoloop_tui'])}; echo EN''DED $?"

    def tmux(*arguments: str) -> str:
        call = ["tmux", "-L", socket, "-f", "/dev/null", *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=True, cwd=folder).stdout

    def wait(session: str, wanted: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while wanted not in (screen := tmux("capture-pane", "-p", "-t", session)):
            assert time.monotonic() < deadline, f"session {session} never showed {wanted}:\n{screen}"
            time.sleep(0.2)
        return screen

    names = [f"s{number}" for number in range(sessions)]
    size = ("-x", "110", "-y", "32")
    try:
        for name in names:
            tmux("new-session", "-d", "-s", name, *size, "-c", str(folder), "sh")
            tmux("send-keys", "-t", name, command, "Enter")
        for name in names:
            wait(name, "loop_17")
        for name in names:
            chosen = random.Random(name)
            for _ in range(10):
                tmux("send-keys", "-t", name, *("r", "?", "p"), *chosen.choices(KEYS, k=20))
        for name in names:
            # Leave whatever is open: first a prompt, then dialogs and screens; in an input, q is only a letter. An editor
            # asks whether to discard its text, which y confirms.
            for _ in range(8):
                tmux("send-keys", "-t", name, "Escape")
                time.sleep(0.6)  # otherwise tmux takes Escape and the next key as one
                tmux("send-keys", "-t", name, "y")
            screen = tmux("capture-pane", "-p", "-t", name)
            assert "ENDED" not in screen, screen
            tmux("send-keys", "-t", name, "s", "q")
            assert "ENDED 0" in wait(name, "ENDED")
    finally:
        tmux("kill-server")
    assert list((folder / ".autoloop").glob("console-crash-*")) == []
