"""The contents of a chart: a series with its label, colour and band."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

from autoloop.model import Series

from autoloop_tui.console.drawing.backdrop import Band, Zone
from autoloop_tui.console.drawing.curves import Curve


class Line(NamedTuple):
    """A series of a chart. `colour` is 1 to 6. A `base` has its own colour, and is dashed so that it is recognisable without
    colour.

    `band` is the range of the runs that differ only in the seed. `letter` is the run's letter, drawn beside the last value
    if the chart shows several runs.
    """

    label: str
    series: Series
    colour: int = 1
    base: bool = False
    band: Band | None = None
    letter: str = ""

    @property
    def look(self) -> str:
        return "chart-base" if self.base else f"chart-{(self.colour - 1) % 6 + 1}"

    @property
    def curve(self) -> Curve:
        return Curve(self.series.steps, self.series.values)

    @property
    def extent(self) -> list[Curve]:
        """The curves that must fit into the axes."""
        edges = [Curve(self.band.xs, self.band.lows), Curve(self.band.xs, self.band.highs)] if self.band else []
        return [self.curve, *edges]

    def at(self, step: float) -> float | None:
        """Return the value of the newest point up to `step`; None before the first point."""
        place = bisect_right(self.series.steps, step)
        return self.series.values[place - 1] if place else None

    @property
    def stamp(self) -> tuple[object, ...]:
        """A key that changes whenever the line does: series only grow, or are reread from a replaced file."""
        steps, values = self.series.steps, self.series.values
        ends = (steps[0], repr(values[0]), steps[-1], repr(values[-1])) if len(values) else ()
        return self.label, self.letter, self.colour, self.base, id(self.series), id(self.band), len(values), *ends


def nan_since(series: Series) -> int | None:
    """Return the step from which all values are NaN or infinite; None if the newest is finite or none ever was."""
    values = series.values
    first = len(values)
    while first and not math.isfinite(values[first - 1]):
        first -= 1
    return series.steps[first] if 0 < first < len(values) else None


def nan_zone(series: Series) -> Zone | None:
    start = nan_since(series)
    return None if start is None else Zone(start, series.steps[-1])
