"""Axis labels of a chart at round values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from autoloop.text.values import with_power

from autoloop_tui.console.drawing.curves import Scale, nice_step
from autoloop_tui.console.drawing.paint import cells, short_count

LEAST = 3
"""Desired minimum number of labels on a value axis."""


def y_ticks(scale: Scale, height: int) -> dict[int, str]:
    """Return the labels of the value axis by cell row from the top; empty if there is only one row.

    Labels are evenly spaced, and on adjacent rows only if there would otherwise be fewer than LEAST.
    """
    if height < 2:
        return {}
    wanted = min(max(LEAST, height // 4), (height + 1) // 2)
    best: dict[int, float] = {}
    for apart in (2, 1):
        for values in _candidates(scale, height):
            rows = _rows(values, scale, height, apart)
            if len(rows) > len(best):
                best = rows
            if len(best) >= wanted:
                break
        if len(best) >= min(LEAST, wanted):
            break
    return dict(zip(best, _labels(list(best.values()), log=scale.log_y), strict=True))


def _rows(values: Sequence[float], scale: Scale, height: int, apart: int) -> dict[int, float]:
    """Return the values by row; empty if two of them are fewer than `apart` rows apart."""
    place = scale.place(height * 4)
    rows = [min(height - 1, max(0, int(place(value) + 0.5) // 4)) for value in values]
    if any(below - above < apart for below, above in pairwise(rows)):
        return {}
    return dict(zip(rows, values, strict=True))


ROUND, LESS_ROUND = (5.0, 2.0, 1.0), (4.0, 3.0, 2.5, 1.5)
"""Steps between two labels in order of preference, as multiples of a power of ten."""


def _candidates(scale: Scale, height: int) -> Iterator[list[float]]:
    """Yield lists of round values within the axis; rounder and shorter lists first."""
    low, high = scale.y_low, scale.y_high
    if scale.log_y:
        yield from (_within(values, low, high) for values in _decades(low, high, height))
    power = nice_step(high / 20 - low / 20)
    power = 10.0 ** math.floor(math.log10(power) + 1e-9)
    for factors in (ROUND, LESS_ROUND):
        for step in (factor * scaled for scaled in (power * 10, power) for factor in factors):
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first <= height:
                values = [index * step for index in range(first, last + 1)]
                yield [value for value in values if value > 0] if scale.log_y else values


def _decades(low: float, high: float, height: int) -> Iterator[list[float]]:
    first, last = math.floor(math.log10(low)), min(math.ceil(math.log10(high)), 307)
    stride = max(1, math.ceil((last - first) / max(1, height // 2)))
    fewer = [((1,), apart) for apart in range(stride, 0, -1)]
    for factors, apart in (*fewer, ((1, 3), 1), ((1, 2, 5), 1)):
        yield [factor * 10.0**power for power in range(first, last + 1, apart) for factor in factors]


def _within(values: list[float], low: float, high: float) -> list[float]:
    return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]


def _labels(values: Sequence[float], *, log: bool) -> list[str]:
    """Format all values in one notation, with as many decimals as the finest needs, or with four significant digits if the
    numbers are very large or small."""
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return ["0" for _ in values]
    decimals = max(_decimals(value) for value in values)
    if max(sizes) >= 1e5 or min(sizes) < 1e-4:
        return ["0" if not value else with_power(value, 4) for value in values]
    if log and max(sizes) > 10 * min(sizes):
        return [f"{value:.{_decimals(value)}f}" for value in values]
    return [f"{value:.{decimals}f}" for value in values]


def _decimals(value: float) -> int:
    """Return the number of decimals needed to write a round value exactly."""
    return next((digits for digits in range(10) if math.isclose(round(value, digits), value, rel_tol=1e-9)), 10)


def x_ticks(scale: Scale, width: int) -> dict[int, float]:
    """Return round positions of the step axis by cell column, far enough apart for their labels."""
    span = scale.x_high - scale.x_low
    if width < 2 or not math.isfinite(span):
        return {}
    step = max(1.0, nice_step(span / max(2, width // 10)))
    first, last = math.ceil(scale.x_low / step), math.floor(scale.x_high / step)
    return {
        round((index * step - scale.x_low) / span * (width - 1)): index * step
        for index in range(first, min(last, first + width) + 1)
    }


def x_axis(scale: Scale, width: int) -> str:
    """Return a row of exactly `width` cells with the labels of `x_ticks`, each below its position."""
    row = ""
    for column, value in sorted(x_ticks(scale, width).items()):
        label = short_count(value)
        start = min(max(0, column - (len(label) - 1) // 2), width - len(label))
        if start >= (cells(row) + 2 if row else 0):
            row += " " * (start - len(row)) + label
    return row.ljust(max(0, width))[: max(0, width)]
