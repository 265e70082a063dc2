"""What a chart shows: a series with its label and colour, and the band around it."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

from autoloop.model import Series

from autoloop_tui.console.drawing.backdrop import Band, Zone
from autoloop_tui.console.drawing.curves import Curve


class Line(NamedTuple):
    """One series of a chart. `colour` is 1 … 6; a `base` has its own, and is dashed to be told apart without colour.

    `band`: the range of the runs that differ from it in the seed only. `letter`: its run's, set beside its last value in a
    chart of several runs.
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
        """The curves that the axes must hold."""
        edges = [Curve(self.band.xs, self.band.lows), Curve(self.band.xs, self.band.highs)] if self.band else []
        return [self.curve, *edges]

    def at(self, step: float) -> float | None:
        """Its value at a step: of the newest point until then; None before the first."""
        place = bisect_right(self.series.steps, step)
        return self.series.values[place - 1] if place else None

    @property
    def stamp(self) -> tuple[object, ...]:
        """What changes when the line does: series only grow, or are read anew from a replaced file."""
        steps, values = self.series.steps, self.series.values
        ends = (steps[0], repr(values[0]), steps[-1], repr(values[-1])) if len(values) else ()
        return self.label, self.letter, self.colour, self.base, id(self.series), id(self.band), len(values), *ends


def nan_since(series: Series) -> int | None:
    """The step from which on no value is a number; None if the newest one is, or if none ever was."""
    values = series.values
    first = len(values)
    while first and not math.isfinite(values[first - 1]):
        first -= 1
    return series.steps[first] if 0 < first < len(values) else None


def nan_zone(series: Series) -> Zone | None:
    start = nan_since(series)
    return None if start is None else Zone(start, series.steps[-1])
