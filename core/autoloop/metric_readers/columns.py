"""The metrics of a run as growing columns: one `Series` per key, sorted by step; a later value for a step replaces it."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoloop.model import Series

MAX_KEYS = 10_000
"""More distinct metric names than this indicate a defective file; the rest are ignored and `overflow` is set."""

MAX_STEP = 1 << 60

_NAMED_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Columns:
    """`series` holds the keys that have at least one value, by the trainer's names.

    `keep_first` preserves existing values; it is set while an older segment of a run is read after a newer one.
    `rewritten` collects the keys with existing points that changed or moved; consumers that only read new points remove
    keys from it. `cleared` counts calls of `clear`.
    """

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.keep_first = False
        self.overflow = False
        self.rewritten: set[str] = set()
        self.cleared = 0
        self._slots: dict[str, Series] = {}
        self._lasts: set[str] = set()
        """Keys with a point from `put_last`."""

    def slot(self, key: str) -> Series | None:
        """Return the Series of a key, empty until its first value; None if there are too many keys.

        Callers may append larger steps to a non-empty Series; everything else must go through `put`.
        """
        series = self._slots.get(key)
        if series is None:
            if len(self._slots) >= MAX_KEYS:
                self.overflow = True
                return None
            series = self._slots[key] = Series()
        return series

    def put(self, key: str, step: int, value: float) -> None:
        series = self.slot(key)
        if series is None:
            return
        steps = series.steps
        if not steps or steps[-1] < step:
            series.append(step, value)
            self.series[key] = series
            return
        at = bisect_left(steps, step)
        if steps[at] != step:
            steps.insert(at, step)
            series.values.insert(at, value)
            self.rewritten.add(key)
        elif not self.keep_first:
            series.values[at] = value
            self.rewritten.add(key)

    def put_last(self, key: str, step: int, value: float) -> None:
        """Set the latest value of a metric without history as its only point. An existing history is not changed."""
        series = self.series.get(key)
        if self._slots.get(key) or (self.keep_first and series is not None):
            return
        if series is None:
            if len(self.series) >= MAX_KEYS:
                self.overflow = True
                return
            series = self.series[key] = Series()
        series.steps[:] = array("q", [step])
        series.values[:] = array("d", [value])
        self.rewritten.add(key)
        self._lasts.add(key)

    def put_all_last(self, values: Mapping[str, float], step: int) -> None:
        """`put_last` for each key, at little cost if all have a history, as in the summaries of wandb 0.31."""
        names, slots = values.keys(), self._slots.keys()
        without = (names - slots) | (names & (slots - self.series.keys())) | (names & self._lasts)
        if without:
            for key, value in values.items():
                if key in without:
                    self.put_last(key, step, value)

    def forget(self, key: str) -> None:
        """Drop the points of one key."""
        self.series.pop(key, None)
        self._slots.pop(key, None)
        self._lasts.discard(key)

    def clear(self) -> None:
        self.series.clear()
        self._slots.clear()
        self._lasts.clear()
        self.overflow = False
        self.rewritten.clear()
        self.cleared += 1


class GivenSteps:
    """The steps of values that were logged one at a time. A value logged without a step has step 0: the values of a metric
    are numbered until it has another step."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def of(self, key: str, step: int) -> int:
        if step == 0:
            count = self._counts.get(key, 0)
            if count >= 0 and (count or len(self._counts) < MAX_KEYS):
                self._counts[key] = count + 1
            return max(count, 0)
        if self._counts.get(key, 0) >= 0 and len(self._counts) < MAX_KEYS:
            self._counts[key] = -1
        return step


def numbers(key: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield the numbers in a JSON value with dotted keys. Bools, strings, lists and W&B media are not metrics."""
    stack = [(key, value)]
    while stack:
        name, item = stack.pop()
        if isinstance(item, dict):
            if "_type" not in item:  # an image, a histogram, a table: its sizes are not metrics
                stack += [(f"{name}.{child}" if name else str(child), item[child]) for child in reversed(item)]
        elif isinstance(item, str):
            if item in _NAMED_NUMBERS:
                yield name, _NAMED_NUMBERS[item]
        elif isinstance(item, float | int) and not isinstance(item, bool):
            yield name, as_float(item)


def as_float(number: float | int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def as_step(number: float) -> int | None:
    """Return a step as an int; None if it is not finite or too large."""
    return int(number) if -MAX_STEP < number < MAX_STEP else None


def rate_of(times: Sequence[tuple[int, float]]) -> float | None:
    """Return steps per second over (step, Unix seconds) pairs; None unless steps and times increase."""
    if len(times) < 2:
        return None
    (first_step, first), (last_step, last) = times[0], times[-1]
    if not (last > first and last_step > first_step):
        return None
    return (last_step - first_step) / (last - first)
