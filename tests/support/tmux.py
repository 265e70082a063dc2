"""A terminal for the real program: sends keys and reads the screen."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from pathlib import Path

from tests.support.waiting import PATIENCE


class Tmux:
    """A single pane on a separate tmux server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = f"autoloop-test-{os.getpid()}-{secrets.token_hex(4)}"
        self.run("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "-c", str(folder), "sh")

    def run(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-L", self.socket, *arguments], capture_output=True, text=True, check=True, cwd=self.folder
        ).stdout

    def keys(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def type(self, text: str) -> None:
        self.run("send-keys", "-l", text)

    @property
    def screen(self) -> str:
        return self.run("capture-pane", "-p")

    def wait(self, *wanted: str) -> str:
        """Wait until the screen shows all of `wanted`, and return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            screen = self.screen
            if all(text in screen for text in wanted):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"never showed {wanted}:\n{self.screen}")

    def wait_for_cursor(self, wanted: str) -> None:
        """Wait until the row under the cursor shows `wanted`."""
        deadline = time.monotonic() + PATIENCE
        while not any(line.startswith(">") and wanted in line for line in self.screen.splitlines()):
            assert time.monotonic() < deadline, f"the cursor never came to {wanted}:\n{self.screen}"
            time.sleep(0.1)
