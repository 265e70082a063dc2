"""Line charts drawn with braille dots, blocks or ASCII: pure functions from points to rows of text.

A terminal cell holds 2×4 dots. If many points fall into one dot column, the lowest and highest are joined, so that a spike
of a single step remains visible; sparse points are joined by straight lines. NaN, infinities and, on a log axis,
non-positive values leave a gap.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs

_LEFT, _RIGHT = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
_SPANS = [[[sum(side[a : b + 1]) for b in range(4)] for a in range(4)] for side in (_LEFT, _RIGHT)]
"""Braille dots of one side of a cell from dot row a down to dot row b: _SPANS[side][a][b]."""
_UPPER, _LOWER = 0x01 | 0x02 | 0x08 | 0x10, 0x04 | 0x40 | 0x20 | 0x80
_BRAILLE = {mask: chr(0x2800 + mask) if mask else " " for mask in range(256)}
_HALVES = {mask: bool(mask & _UPPER) + 2 * bool(mask & _LOWER) for mask in range(256)}
_ASCII = {mask: " '.:"[halves] for mask, halves in _HALVES.items()}
_BLOCKS = {mask: " ▀▄█"[halves] for mask, halves in _HALVES.items()}

EMPTY = -1
"""The curve index of cells in which nothing is drawn."""


class Curve(NamedTuple):
    """A line. `xs` is ascending and as long as `ys`."""

    xs: Sequence[float]
    ys: Sequence[float]


class Scale(NamedTuple):
    """The range of the plot area; `y_low` and `y_high` are positive if `log_y`."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log_y: bool = False

    def place(self, rows: int) -> Callable[[float], float]:
        """Return a function that maps values to rows, from 0 at the top to rows - 1 at the bottom."""
        if self.log_y:
            low = math.log10(self.y_low)
            slope = (rows - 1) / (math.log10(self.y_high) - low)
            return lambda value: rows - 1 - (math.log10(value) - low) * slope
        # Halve first: the difference of two large floats can overflow.
        half, span = self.y_low / 2, self.y_high / 2 - self.y_low / 2
        return lambda value: rows - 1 - (value / 2 - half) / span * (rows - 1)


LARGEST = 1e300
"""Larger values, and on a log scale values below its inverse, are drawn at the edge, so that the arithmetic stays finite."""

Row = list[tuple[str, int]]
"""A row of the plot: pieces of text with the index of their curve, or EMPTY."""

Behind = Sequence[Sequence[tuple[str, int] | None]]
"""What is visible in each cell of each row if no curve has a dot there."""


def fit_scale(
    curves: Iterable[Curve], levels: Iterable[float] = (), *, log_y: bool = False, x_high: float | None = None
) -> Scale | None:
    """Return the scale that fits all of `curves` and the values `levels`, snapped to round values so that it rarely changes.
    None if there are no points."""
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
    for level in _finite(levels, log_y):
        lows.append(level)
        highs.append(level)
    end = max(ends) if x_high is None else max(*ends, x_high)
    start = min(starts)
    # A curve visible from its beginning starts at 0, so that the runs of a round share an axis.
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
    """Snap to fifths of a decade; if the range is too short for that, snap as on a linear axis."""
    if high < 3 * low and (close := _snap(low, high))[0] > 0:
        return close
    bottom, top = math.floor(math.log10(low) * 5 + 1e-9), math.ceil(math.log10(high) * 5 - 1e-9)
    top = max(top, bottom + 1)
    return 10 ** (bottom / 5), 10 ** (top / 5)


def nice_step(span: float) -> float:
    """Return the smallest of 1, 2, 5 × 10ⁿ that is at least `span`."""
    power = 10.0 ** math.floor(math.log10(span)) if span >= 1e-300 else 1e-300
    return next((factor * power for factor in (1, 2, 5) if factor * power >= span * (1 - 1e-9)), 10 * power)


def _clean(values: Sequence[float], positive: bool) -> bool:
    """Return whether every value can be drawn. The sum of finite values is finite unless it overflows, and is computed in
    C."""
    return len(values) > 0 and math.isfinite(sum(values)) and (not positive or min(values) > 0)


def _finite(values: Iterable[float], positive: bool) -> list[float]:
    return [value for value in values if math.isfinite(value) and (value > 0 or not positive)]


# ------------------------------------------------------------------------------------------------ dots


Column = tuple[int, int, bool]
"""A column: its first and last row from the top, and whether a line leads to it from the left."""


def columns(curve: Curve, scale: Scale, width: int, dots: int) -> Iterator[Column | None]:
    """Yield what each of `width` columns of `dots` rows shows of a curve."""
    xs, ys, n = curve.xs, curve.ys, len(curve.xs)
    clean = _clean(ys, scale.log_y)
    step = (scale.x_high - scale.x_low) / max(1, width - 1)

    def good(value: float) -> bool:
        return clean or (math.isfinite(value) and (value > 0 or not scale.log_y))

    def dot(place: float) -> int:
        return min(dots - 1, max(0, int(place + 0.5)))

    place = scale.place(dots)
    start = bisect_left(xs, scale.x_low)
    for column in range(width):
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


def _masks(curve: Curve, scale: Scale, width: int, height: int, *, filled: bool) -> list[bytearray]:
    """Return the dots of a curve, or of the area below it, as a braille mask for each cell of each row."""
    rows = [bytearray(width) for _ in range(height)]
    above: Column | None = None
    for index, column in enumerate(columns(curve, scale, width * 2, height * 4)):
        if column is not None:
            top, bottom, joined = column
            if filled:
                bottom = height * 4 - 1
            elif above is not None and joined:
                if above[1] < top - 1:
                    top = above[1] + 1
                elif above[0] > bottom + 1:
                    bottom = above[0] - 1
            cell, side = divmod(index, 2)
            for row in range(top // 4, bottom // 4 + 1):
                rows[row][cell] |= _SPANS[side][max(0, top - row * 4)][min(3, bottom - row * 4)]
        above = column
    return rows


def draw(
    curves: Sequence[Curve],
    scale: Scale,
    width: int,
    height: int,
    *,
    glyphs: Glyphs = UNICODE,
    filled: bool = False,
    behind: Behind | None = None,
) -> list[Row]:
    """Return `height` rows of exactly `width` cells. Where curves cross, the earlier one is in front.

    `filled`: fill the area below the first curve. `behind`: what is visible in cells without a dot.
    """
    if width <= 0 or height <= 0:
        return []
    layers = [_masks(curve, scale, width, height, filled=filled and n == 0) for n, curve in enumerate(curves)]
    if filled and len(layers) > 1:  # otherwise the area would hide every line below it
        layers = [*layers[1:], layers[0]]
        numbers = [*range(1, len(curves)), 0]
    else:
        numbers = list(range(len(curves)))
    dots = _BLOCKS if glyphs.blocks else _ASCII if glyphs.ascii_only else _BRAILLE
    rows: list[Row] = []
    for row in range(height):
        present = [place for place, layer in enumerate(layers) if any(layer[row])]
        back = behind[row] if behind is not None and any(behind[row]) else None
        if back is None and not present:
            rows.append([(" " * width, EMPTY)])
        elif back is None and len(present) == 1:
            rows.append([(layers[present[0]][row].decode("latin-1").translate(dots), numbers[present[0]])])
        else:
            shown = [(numbers[place], layers[place][row]) for place in present]
            rows.append(_compose(shown, back or repeat(None, width), dots))
    return rows


def _compose(layers: list[tuple[int, bytearray]], back: Iterable[tuple[str, int] | None], dots: dict[int, str]) -> Row:
    """Draw one row of several curves over the background in as few pieces as possible: blanks have no colour and are merged
    into the preceding piece."""
    pieces: Row = []
    text, current = "", EMPTY
    for x, cell in enumerate(back):
        seen = next(((dots[masks[x]], number) for number, masks in layers if masks[x]), cell)
        if seen is None:
            text += " "
            continue
        if current not in (EMPTY, seen[1]):
            pieces.append((text, current))
            text = ""
        text, current = text + seen[0], seen[1]
    return [*pieces, (text, current)]
