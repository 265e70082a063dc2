"""The background of a chart, one character per cell: zones, bands, named levels, dashed lines and a cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from autoloop_tui.console.drawing.curves import Column, Curve, Scale, columns
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells


class Zone(NamedTuple):
    """A range of steps without finite values, drawn hatched."""

    start: float
    end: float


class Band(NamedTuple):
    """The range of several runs: from `lows` to `highs` at each of the ascending `xs`."""

    xs: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]


class Level(NamedTuple):
    """A horizontal line with a name, such as the threshold of a rule."""

    value: float
    label: str = ""


class Cursor(NamedTuple):
    """A vertical line at a step selected by the user."""

    step: float


Shape = Zone | Band | Level | Curve | Cursor
"""A shape in the background; a `Curve` is drawn dashed."""

Cell = tuple[str, int]
"""A character and the index of its shape."""


class Backdrop:
    """Draws shapes on top of each other."""

    def __init__(self, scale: Scale, width: int, height: int, glyphs: Glyphs) -> None:
        self.scale, self.width, self.height, self.glyphs = scale, width, height, glyphs
        self.rows: list[list[Cell | None]] = [[None] * width for _ in range(height)]

    def draw(self, shape: Shape, number: int) -> None:
        if isinstance(shape, Zone):
            self._zone(shape, number)
        elif isinstance(shape, Band):
            self._band(shape, number)
        elif isinstance(shape, Level):
            self._level(shape, number)
        elif isinstance(shape, Cursor):
            self._cursor(shape, number)
        else:
            self._dashed(shape, number)

    def _zone(self, zone: Zone, number: int) -> None:
        first, last = map(self._column, zone)
        hatch = "▒" if self.glyphs.blocks else self.glyphs.of("╱", "/")
        for row in self.rows:
            row[first : last + 1] = [(hatch, number)] * (last + 1 - first)

    def _band(self, band: Band, number: int) -> None:
        fill = "░" if self.glyphs.blocks else self.glyphs.of("░", "~")
        top, bottom = (self._columns(Curve(band.xs, ys)) for ys in (band.highs, band.lows))
        for x, (high, low) in enumerate(zip(top, bottom, strict=True)):
            if high is not None and low is not None:
                for y in range(high[0], low[1] + 1):
                    self.rows[y][x] = (fill, number)

    def _level(self, level: Level, number: int) -> None:
        if self.scale.log_y and level.value <= 0:
            return
        y = self._row(self.scale.place(self.height), level.value)
        name = f" {level.label} " if level.label and cells(level.label) + 4 <= self.width else ""
        dash = self.glyphs.of("┄", ".")
        text = dash * (self.width - len(name) - 2) + name + dash * 2 if name else dash * self.width
        if cells(text) == len(text) == self.width:
            self.rows[y] = [(character, number) for character in text]

    def _dashed(self, curve: Curve, number: int) -> None:
        across, down = self.glyphs.of("╌", "-"), self.glyphs.of("╎", ":")
        above: Column | None = None
        for x, column in enumerate(self._columns(curve)):
            if column is not None:
                top, bottom, joined = column
                if above is not None and joined:
                    if above[1] < top - 1:
                        top = above[1] + 1
                    elif above[0] > bottom + 1:
                        bottom = above[0] - 1
                for y in range(top, bottom + 1):
                    self.rows[y][x] = (across if top == bottom else down, number)
            above = column

    def _cursor(self, cursor: Cursor, number: int) -> None:
        x = self._column(cursor.step)
        for row in self.rows:
            row[x] = (self.glyphs.of("│", "|"), number)

    def _column(self, step: float) -> int:
        span = (self.scale.x_high - self.scale.x_low) or 1.0
        return min(self.width - 1, max(0, int((step - self.scale.x_low) / span * (self.width - 0.5))))

    def _columns(self, curve: Curve) -> list[Column | None]:
        return list(columns(curve, self.scale, self.width, self.height))

    def _row(self, place: Callable[[float], float], value: float) -> int:
        return min(self.height - 1, max(0, int(place(value) + 0.5)))
