"""Labels at round values for the axes of a chart."""

from __future__ import annotations

import math

from autoloop_tui.console.drawing.curves import Scale, nice_step
from autoloop_tui.console.drawing.paint import cells, number, short_count


def y_values(scale: Scale, height: int) -> list[tuple[float, str]]:
    """Round values for an axis of `height` rows, and their labels."""
    low, high = scale.y_low, scale.y_high
    wanted = max(2, height // 3)
    values: list[float] = []
    if scale.log_y:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        stride = max(1, math.ceil((last - first) / max(1, height // 2)))
        for factors, apart in (((1,), stride), ((1, 2, 5), 1)):
            values = [f * 10.0**power for power in range(first, min(last, 307) + 1, apart) for f in factors]
            values = [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
            if len(values) >= 2:
                break
    if len(values) < 2:
        step = nice_step(high / wanted - low / wanted)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        values = [index * step for index in range(first, min(last, first + height) + 1) if index > 0 or not scale.log_y]
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        if decimals <= 4 and max(abs(low), abs(high)) < 1e5:
            return [(value, f"{value:.{decimals}f}") for value in values]
    return [(value, number(value, 7)) for value in values]


def y_ticks(scale: Scale, height: int) -> dict[int, str]:
    """Labels of the value axis by cell row from the top, no two on neighbouring rows; none if there is but one row."""
    if height < 2:
        return {}
    rows: dict[int, str] = {}
    place = scale.place(height * 4)
    for value, label in y_values(scale, height):
        row = min(height - 1, max(0, int(place(value) + 0.5) // 4))
        if row not in rows and row + 1 not in rows:
            rows[row] = label
    return rows


def x_ticks(scale: Scale, width: int) -> dict[int, float]:
    """Round positions of the step axis by cell column, far enough apart for their labels."""
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
    """One row of exactly `width` cells with the labels of `x_ticks`, each under its place."""
    row = ""
    for column, value in sorted(x_ticks(scale, width).items()):
        label = short_count(value)
        start = min(max(0, column - (len(label) - 1) // 2), width - len(label))
        if start >= (cells(row) + 2 if row else 0):
            row += " " * (start - len(row)) + label
    return row.ljust(max(0, width))[: max(0, width)]
