"""Text written by others (names, reasons, log lines, configs), prepared for an agent.

It is bounded, masked, on one line and without control characters, so that it is treated as data and triggers nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autoloop.logs import one_line
from autoloop.model import Change
from autoloop.secrets import mask, masked_value

from autoloop_tui.agents.answers import Difference

NAME, TEXT, LINE, SENTENCE = 80, 200, 300, 600
"""Maximum lengths, in characters, of a name, a text, a log line and an error message."""


def quoted(text: str, most: int = TEXT) -> str:
    """Return `text` as one line of printable characters, without secrets."""
    line = mask(one_line(text))  # invisible characters could hide text that a model reads
    return line if len(line) <= most else f"{line[: most - 1]}…"


def value(given: object) -> Any:
    """Return a config value in a form that JSON can represent."""
    if isinstance(given, str):
        return quoted(given)
    if isinstance(given, float) and not math.isfinite(given):
        return str(given)
    if isinstance(given, Mapping):
        return {quoted(str(key), NAME): value(each) for key, each in given.items()}
    if isinstance(given, list | tuple):
        return [value(each) for each in given]
    return given


def difference(change: Change) -> Difference:
    """Return the path of a change and its values before and after, without secrets."""
    path = change.path
    return Difference(quoted(path), *(value(masked_value(path, each)) for each in (change.before, change.after)))


def figure(given: float | None) -> float | None:
    """Return a number rounded to five digits; None if it is not finite, because JSON cannot represent that."""
    if given is None or not math.isfinite(given):
        return None
    return float(f"{given:.5g}")
