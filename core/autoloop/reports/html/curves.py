"""Charts as SVG: curves over steps, and configs by round."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoloop.reports.html.elements import Markup, element
from autoloop.reports.html.thinning import Points
from autoloop.text.number_column import aligned
from autoloop.text.plural import plural
from autoloop.text.values import number

WIDTH, HEIGHT = 720, 400
"""The size of a chart in its own units, two per pixel on a phone; integer coordinates keep the page small."""
LEFT, RIGHT, TOP, BOTTOM = 104, 34, 14, 50
LOG_FROM = 1000.0
"""A chart has a logarithmic scale if its values are positive and the highest is at least this many times the lowest."""
LARGEST = 1e300
"""Larger values are drawn at the edge, so that the arithmetic stays finite."""
COLOURS = 10


@dataclass(frozen=True)
class Line:
    """A curve. `run`: the id of its run; `colour`: 0, 1, 2 …; `base`: whether it is a base's, which is dashed."""

    run: str
    name: str
    points: Points
    colour: int
    base: bool = False


@dataclass(frozen=True)
class Dot:
    """A value at an integer position. `name`: its tooltip."""

    at: int
    value: float
    name: str
    colour: int


class _Axes:
    """The axes of a chart: they map values to coordinates."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float], last_x: float = 0) -> None:
        self.x_low, self.x_high = min(xs), max(*xs, last_x)
        if 0 <= self.x_low <= self.x_high / 5:
            self.x_low = 0
        low, high = max(-LARGEST, min(ys)), min(LARGEST, max(ys))
        self.log = low > 1 / LARGEST and high >= LOG_FROM * low
        room = 0.04 * (high / 2 - low / 2) * 2 or abs(high) * 0.05 or 1.0
        self.low, self.high = (low, high) if self.log else (low - room, high + room)

    def x(self, value: float) -> int:
        share = (value - self.x_low) / (self.x_high - self.x_low) if self.x_high > self.x_low else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT))

    def y(self, value: float) -> int:
        value = min(self.high, max(self.low, value))
        if self.log:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))

    def drawn(self, x_values: Iterable[float], x_title: str) -> list[Markup]:
        """The grid lines, the axis and their labels."""
        made = []
        values = list(_powers(self.low, self.high) if self.log else _round_values(self.low, self.high, 7))
        labels = [number(value) for value in values] if self.log else [text.strip() for text in aligned(values)]
        for value, label in zip(values, labels, strict=True):
            y = self.y(value)
            made.append(element("path", d=f"M{LEFT} {y}H{WIDTH - RIGHT}", class_="grid"))
            made.append(element("text", label, x=LEFT - 10, y=y + 8, class_="end"))
        for value in x_values:
            made.append(element("text", _count(value), x=self.x(value), y=HEIGHT - BOTTOM + 28, class_="middle"))
        axis = element("path", d=f"M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}", class_="axis")
        title = element("text", x_title, x=LEFT - 22, y=HEIGHT - BOTTOM + 28, class_="end")
        return [*made, axis, title]


def curves(title: str, lines: Sequence[Line], last: float = 0, over: str = "step") -> Markup | None:
    """A chart of one metric over steps, or over the quantity `over`, whose axis reaches at least to `last`; None if there is
    no finite value."""
    found = [(step, value) for line in lines for step, value in line.points if math.isfinite(value)]
    if not found:
        return None
    axes = _Axes([step for step, _ in found], [value for _, value in found], last)
    made = axes.drawn(_round_values(axes.x_low, axes.x_high, 4), over)
    for line in sorted(lines, key=lambda line: not line.base):
        gaps = [step for step, value in line.points if math.isnan(value)]
        marks = [element("path", d="".join(f"M{axes.x(step)} {HEIGHT - BOTTOM}v-12" for step in gaps), class_="gap")]
        named = element("title", f"{line.name}{' (red marks: values that are not finite)' if gaps else ''}")
        kind = f"line c{line.colour % COLOURS}{' base' if line.base else ''}"
        path = element("path", d=_path(axes, line.points))
        made.append(element("g", named, path, marks if gaps else None, class_=kind, data_run=line.run))
    words = f"{title}{', logarithmic scale' if axes.log else ''}"
    return element("figure", element("figcaption", words), _svg(f"{words}: {plural(len(lines), 'curve')}", made))


def by_round(title: str, dots: Sequence[Dot], firsts: Sequence[tuple[int, float]]) -> Markup:
    """A chart of values by round, with a line through `firsts`, the best of each round."""
    rounds = sorted({dot.at for dot in dots})
    axes = _Axes([rounds[0] - 0.5, rounds[-1] + 0.5], [dot.value for dot in dots])
    axes.x_low = rounds[0] - 0.5
    stride = max(1, len(rounds) // 12)
    made = axes.drawn(rounds[::stride], "round")
    path = " ".join(f"{'L' if place else 'M'}{axes.x(at)} {axes.y(value)}" for place, (at, value) in enumerate(firsts))
    made.append(element("path", d=path, class_="firsts"))
    for dot in dots:
        shape = element("circle", element("title", dot.name), cx=axes.x(dot.at), cy=axes.y(dot.value), r=8)
        made.append(element("g", shape, class_=f"dot c{dot.colour % COLOURS}"))
    words = f"{title}{', logarithmic scale' if axes.log else ''}"
    return element("figure", element("figcaption", words), _svg(f"{words}: {plural(len(dots), 'config')}", made))


def _svg(title: str, inner: Sequence[Markup]) -> Markup:
    return element("svg", inner, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)


def _path(axes: _Axes, points: Points) -> str:
    """An SVG path with relative lines, which take half the characters of absolute ones. A single point is a line of length
    zero."""
    parts: list[str] = []
    at: tuple[int, int] | None = None
    for step, value in points:
        if math.isnan(value):
            at = None
            continue
        x, y = axes.x(step), axes.y(value)
        if at is None:
            parts.append(f"M{x} {y}h0")
        elif (x, y) != at:
            parts.append(f"l{x - at[0]} {y - at[1]}")
        at = x, y
    return "".join(parts)


def _round_values(low: float, high: float, wanted: int) -> list[float]:
    """About `wanted` round values between `low` and `high`."""
    span = high / wanted - low / wanted
    if not (math.isfinite(span) and span > 0):
        return [low]
    power = 10.0 ** math.floor(math.log10(span))
    if power == 0.0:  # the span is below the smallest normal number
        return [low]
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= span * 0.999), 10 * power)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, min(last, first + 2 * wanted) + 1)] or [low]


def _powers(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / 6))
    return [10.0**power for power in range(first, last + 1, stride)]


def _count(value: float) -> str:
    """`2000`, `40k`, `1.5M`."""
    for unit, size in (("M", 1e6), ("k", 1e4)):
        if abs(value) >= size:
            size = 1e3 if unit == "k" else size
            return f"{value / size:g}{unit}"
    return f"{value:g}"
