"""Line charts drawn with braille dots: pure functions from points to rows of text.

A terminal cell holds 2×4 dots. Where many points fall on one dot column its lowest and highest are joined, so that a
spike of one step is seen; few points are joined by straight lines. NaN, infinities and, on a log axis, values that
are not positive leave a gap.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs

_LEFT, _RIGHT = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
_SPANS = [[[sum(side[a : b + 1]) for b in range(4)] for a in range(4)] for side in (_LEFT, _RIGHT)]
"""Dots of one side of a cell from dot row a down to dot row b: _SPANS[side][a][b]."""
_UPPER, _LOWER = 0x01 | 0x02 | 0x08 | 0x10, 0x04 | 0x40 | 0x20 | 0x80
_BRAILLE = {mask: chr(0x2800 + mask) if mask else " " for mask in range(256)}
_HALVES = {mask: bool(mask & _UPPER) + 2 * bool(mask & _LOWER) for mask in range(256)}
_ASCII = {mask: " '.:"[halves] for mask, halves in _HALVES.items()}
_BLOCKS = {mask: " ▀▄█"[halves] for mask, halves in _HALVES.items()}

EMPTY = -1
"""The curve number of cells with no dot."""


class Curve(NamedTuple):
    """One line: `xs` rise, `ys` are as many. `dotted` lines are told apart without colour."""

    xs: Sequence[float]
    ys: Sequence[float]
    dotted: bool = False


class Scale(NamedTuple):
    """What the plot area covers; `y_low` and `y_high` are positive if `log_y`."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log_y: bool = False

    def place(self, rows: int) -> Callable[[float], float]:
        """A function from values to places between 0 (the top one of `rows`) and rows - 1, the bottom."""
        if self.log_y:
            low = math.log10(self.y_low)
            slope = (rows - 1) / (math.log10(self.y_high) - low)
            return lambda value: rows - 1 - (math.log10(value) - low) * slope
        # Halves: the difference of two large floats can overflow.
        half, span = self.y_low / 2, self.y_high / 2 - self.y_low / 2
        return lambda value: rows - 1 - (value / 2 - half) / span * (rows - 1)


LARGEST = 1e300
"""What is beyond it, or below its inverse on a logarithmic scale, is drawn at the edge: the arithmetic must stay finite."""

Row = list[tuple[str, int]]
"""A row of the plot: pieces of text with the number of their curve, or EMPTY."""


def fit_scale(curves: Iterable[Curve], *, log_y: bool = False, x_high: float | None = None) -> Scale | None:
    """The scale that shows all of `curves`, snapped to round values so that it seldom changes; None if no points."""
    lows, highs, starts, ends = [], [], [], []
    for curve in curves:
        values: Sequence[float] = curve.ys if _clean(curve.ys, log_y) else _finite(curve.ys, log_y)
        if len(values):
            lows.append(min(values))
            highs.append(max(values))
            starts.append(curve.xs[0])
            ends.append(curve.xs[-1])
    if not lows:
        return None
    end = max(ends) if x_high is None else max(*ends, x_high)
    start = min(starts)
    # A curve seen from its beginning starts at 0, so that the runs of a round share an axis.
    start = 0.0 if 0 <= start <= end / 5 else start
    least = 1 / LARGEST if log_y else -LARGEST
    low, high = (min(LARGEST, max(least, value)) for value in (min(lows), max(highs)))
    low, high = (_snap_log if log_y else _snap)(low, high)
    return Scale(start, end if end > start else start + 1, low, high, log_y)


def _snap(low: float, high: float) -> tuple[float, float]:
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        margin = abs(low) / 10 or 1.0
        return low - margin, high + margin
    step = nice_step(high / 10 - low / 10)
    return math.floor(low / step) * step, math.ceil(high / step) * step


def _snap_log(low: float, high: float) -> tuple[float, float]:
    """To fifths of a decade; a range of at least one fifth."""
    bottom, top = math.floor(math.log10(low) * 5 + 1e-9), math.ceil(math.log10(high) * 5 - 1e-9)
    top = max(top, bottom + 1)
    return 10 ** (bottom / 5), 10 ** (top / 5)


def nice_step(span: float) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that is at least `span`."""
    power = 10.0 ** math.floor(math.log10(span)) if span >= 1e-300 else 1e-300
    return next((factor * power for factor in (1, 2, 5) if factor * power >= span * (1 - 1e-9)), 10 * power)


def _clean(values: Sequence[float], positive: bool) -> bool:
    """Whether every value can be drawn. The sum of finite values is finite unless it overflows, and is found in C."""
    return len(values) > 0 and math.isfinite(sum(values)) and (not positive or min(values) > 0)


def _finite(values: Iterable[float], positive: bool) -> list[float]:
    return [value for value in values if math.isfinite(value) and (value > 0 or not positive)]


# ------------------------------------------------------------------------------------------------ dots


_Column = tuple[int, int, bool]
"""What one dot column shows: its first and last dot row from the top, and whether a line leads here from the left."""


def _columns(curve: Curve, scale: Scale, columns: int, dots: int) -> Iterator[_Column | None]:
    xs, ys, n = curve.xs, curve.ys, len(curve.xs)
    clean = _clean(ys, scale.log_y)
    step = (scale.x_high - scale.x_low) / max(1, columns - 1)

    def good(value: float) -> bool:
        return clean or (math.isfinite(value) and (value > 0 or not scale.log_y))

    def dot(place: float) -> int:
        return min(dots - 1, max(0, int(place + 0.5)))

    place = scale.place(dots)
    start = bisect_left(xs, scale.x_low)
    for column in range(columns):
        stop = bisect_left(xs, scale.x_low + (column + 0.5) * step, start)
        if stop > start:
            values: Sequence[float] = ys[start:stop] if clean else _finite(ys[start:stop], scale.log_y)
            if len(values):
                joined = start > 0 and good(ys[start - 1]) and good(ys[start])
                yield dot(place(max(values))), dot(place(min(values))), joined
            else:
                yield None
        elif 0 < start < n and good(ys[start - 1]) and good(ys[start]):
            before, after = place(ys[start - 1]), place(ys[start])
            share = (scale.x_low + column * step - xs[start - 1]) / (xs[start] - xs[start - 1])
            row = dot(before + (after - before) * min(max(share, 0.0), 1.0))
            yield row, row, True
        else:
            yield None
        start = stop


def _masks(curve: Curve, scale: Scale, width: int, height: int) -> list[bytearray]:
    """The dots of one curve: a braille mask for each cell of each row."""
    rows = [bytearray(width) for _ in range(height)]
    per_cell = 1 if curve.dotted else 2
    above: _Column | None = None
    for index, column in enumerate(_columns(curve, scale, width * per_cell, height * 4)):
        if column is not None:
            top, bottom, joined = column
            if above is not None and joined and not curve.dotted:
                if above[1] < top - 1:
                    top = above[1] + 1
                elif above[0] > bottom + 1:
                    bottom = above[0] - 1
            cell, side = divmod(index, per_cell)
            for row in range(top // 4, bottom // 4 + 1):
                rows[row][cell] |= _SPANS[side][max(0, top - row * 4)][min(3, bottom - row * 4)]
        above = column
    return rows


def draw(curves: Sequence[Curve], scale: Scale, width: int, height: int, *, glyphs: Glyphs = UNICODE) -> list[Row]:
    """`height` rows of exactly `width` cells. Where curves cross, the earlier one is in front."""
    if width <= 0 or height <= 0:
        return []
    layers = [_masks(curve, scale, width, height) for curve in curves]
    dots = _BLOCKS if glyphs.blocks else _ASCII if glyphs.ascii_only else _BRAILLE
    rows: list[Row] = []
    for row in range(height):
        present = [index for index, layer in enumerate(layers) if any(layer[row])]
        if not present:
            rows.append([(" " * width, EMPTY)])
        elif len(present) == 1:
            rows.append([(layers[present[0]][row].decode("latin-1").translate(dots), present[0])])
        else:
            rows.append(_compose([(index, layers[index][row]) for index in present], dots))
    return rows


def _compose(layers: list[tuple[int, bytearray]], dots: dict[int, str]) -> Row:
    """One row of several curves, in as few pieces as can be: a blank has no colour and goes with what is before it."""
    pieces: Row = []
    text, current = "", EMPTY
    for masks in zip(*(layer for _, layer in layers), strict=True):
        place = next((place for place, mask in enumerate(masks) if mask), EMPTY)
        if place == EMPTY:
            text += " "
            continue
        if current not in (EMPTY, layers[place][0]):
            pieces.append((text, current))
            text = ""
        current = layers[place][0]
        text += dots[masks[place]]
    return [*pieces, (text, current)]


def thin(
    xs: Sequence[float], ys: Sequence[float], columns: int, *, log_y: bool = False
) -> list[tuple[list[float], list[float]]]:
    """Unbroken stretches of a curve, thinned to the lowest and highest point of each of `columns` equal parts of it."""
    stretches: list[tuple[list[float], list[float]]] = []
    open_ = False
    size = max(1, math.ceil(len(xs) / max(1, columns)))
    for start in range(0, len(xs), size):
        picked: list[int] = []
        part = range(start, min(start + size, len(xs)))
        good = [index for index in part if math.isfinite(ys[index]) and (ys[index] > 0 or not log_y)]
        if good:
            picked = sorted({min(good, key=ys.__getitem__), max(good, key=ys.__getitem__)})
        if not picked or (open_ and good[0] != start):
            open_ = False
        if picked and not open_:
            stretches.append(([], []))
        for index in picked:
            stretches[-1][0].append(float(xs[index]))
            stretches[-1][1].append(ys[index])
        open_ = bool(good) and good[-1] == part[-1]
    return stretches


def beads(xs: Sequence[float], ys: Sequence[float], low: float, high: float, columns: int) -> list[tuple[float, float]]:
    """Single points along an unbroken stretch, one for each of the `columns` from `low` to `high`: a dotted line.

    A stretch of many points is dotted as it is, so that none of its spikes is passed over.
    """
    if len(xs) >= columns / 2:
        return list(zip(xs, ys, strict=True))
    points = []
    for column in range(columns):
        x = low + (high - low) * column / max(1, columns - 1)
        if xs[0] <= x <= xs[-1]:
            after = min(max(1, bisect_left(xs, x)), len(xs) - 1)
            width = xs[after] - xs[after - 1] if after else 0
            share = (x - xs[after - 1]) / width if width else 1.0
            points.append((x, ys[after - 1] * (1 - share) + ys[after] * share))
    return points
