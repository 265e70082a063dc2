"""Waiting for other processes and threads: for a condition, and long enough for a loaded machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

PATIENCE = 300.0
"""Seconds after which an expected event counts as missing. Only a failing test waits this long."""

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value], what: str = "it") -> Value:
    """Wait until the condition returns something true, and return that."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)
    return value


def delete(folder: Path) -> None:
    """Delete a folder into which others may still be writing, including what they create meanwhile."""

    def gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    eventually(gone, f"the end of {folder}")
