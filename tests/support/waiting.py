"""Waiting for what other processes and threads do: for a condition, and long enough for a loaded machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

PATIENCE = 300.0
"""Seconds after which something that must happen is taken not to happen. Only a test that fails waits that long."""

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value], what: str = "it") -> Value:
    """Wait until the condition gives something true; gives that."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)
    return value


def delete(folder: Path) -> None:
    """Delete a folder in which others may be writing: what they make or rename meanwhile goes too."""

    def gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    eventually(gone, f"the end of {folder}")
