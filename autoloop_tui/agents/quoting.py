"""Text that others wrote (names, reasons, log lines, configs) on its way to an agent: bounded, masked, in one line and
without control characters, so that it is data and nothing that a reader acts on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autoloop.logs import one_line
from autoloop.model import Change
from autoloop.secrets import mask, masked_value

from autoloop_tui.agents.answers import Difference

NAME, TEXT, LINE, SENTENCE = 80, 200, 300, 600
"""Characters of a name, of a text, of a line of a log, and of what is wrong."""


def quoted(text: str, most: int = TEXT) -> str:
    """`text` as one line of printable characters, without secrets."""
    line = mask(one_line(text))  # what nobody sees could hide what a model reads
    return line if len(line) <= most else f"{line[: most - 1]}…"


def value(given: object) -> Any:
    """A value of a config, for JSON."""
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
    """What a config holds at a place, before and after, without secrets."""
    path = change.path
    return Difference(quoted(path), *(value(masked_value(path, each)) for each in (change.before, change.after)))


def figure(given: float | None) -> float | None:
    """A number with five digits; None for one that is not finite, which JSON cannot hold."""
    if given is None or not math.isfinite(given):
        return None
    return float(f"{given:.5g}")
