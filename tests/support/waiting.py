"""Waiting for what other processes and threads do: for a condition, and long enough for a loaded machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 120.0
"""Seconds after which something that must happen is taken not to happen. Only a test that fails waits that long."""

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value], what: str = "it") -> Value:
    """Wait until the condition gives something true; gives that."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)
    return value
