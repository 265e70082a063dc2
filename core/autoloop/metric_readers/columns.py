"""The metrics of a run as columns that grow: one `Series` per key, steps rising, a later value for a step replacing."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from autoloop.model import Series

MAX_KEYS = 10_000
"""More distinct metric names than this are a defect of the file; the rest are left out, and `overflow` says so."""

MAX_STEP = 1 << 60

_NAMED_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Columns:
    """`series` holds the keys that have at least one value, by the name the trainer gave.

    `keep_first` makes a value that is already there stay: set while an older segment of a run is read behind a newer
    one. `rewritten` collects the keys of which a point that was there before is no longer what it was, or no longer at its
    place; who looks only at what is new takes them out. `cleared` counts how often all was forgotten.
    """

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.keep_first = False
        self.overflow = False
        self.rewritten: set[str] = set()
        self.cleared = 0
        self._slots: dict[str, Series] = {}

    def slot(self, key: str) -> Series | None:
        """The Series of a key, empty until its first value; None if there are too many keys.

        A caller may append to a Series that is not empty, with a larger step; everything else goes through `put`.
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
        """The newest value of a metric that has no history, as its only point. One that has a history keeps it."""
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

    def forget(self, key: str) -> None:
        """Drops the points of one key."""
        self.series.pop(key, None)
        self._slots.pop(key, None)

    def clear(self) -> None:
        self.series.clear()
        self._slots.clear()
        self.overflow = False
        self.rewritten.clear()
        self.cleared += 1


class GivenSteps:
    """The steps of values that were logged one at a time, each with a step. One that was logged without has step 0: as long
    as a metric has no other, its values are counted."""

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
    """The numbers below a JSON value, with their dotted keys. Bools, texts, lists and W&B media are not metrics."""
    stack = [(key, value)]
    while stack:
        name, item = stack.pop()
        if isinstance(item, dict):
            if "_type" not in item:  # an image, a histogram, a table: its sizes are no metrics
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
    """A step as a whole number, or None where it cannot be one."""
    return int(number) if -MAX_STEP < number < MAX_STEP else None


def rate_of(times: Sequence[tuple[int, float]]) -> float | None:
    """Steps per second over (step, Unix seconds) pairs; None before there are two that differ."""
    if len(times) < 2:
        return None
    (first_step, first), (last_step, last) = times[0], times[-1]
    if not (last > first and last_step > first_step):
        return None
    return (last_step - first_step) / (last - first)
