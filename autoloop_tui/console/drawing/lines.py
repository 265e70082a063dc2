"""One line of a chart: a series with its label and colour."""

from __future__ import annotations

from typing import NamedTuple

from autoloop.model import Series

from autoloop_tui.console.drawing.curves import Curve


class Line(NamedTuple):
    """One series of a chart. `colour` is 1 … 6; a `base` has its own, and is dotted to be told apart without colour."""

    label: str
    series: Series
    colour: int = 1
    base: bool = False

    @property
    def look(self) -> str:
        return "chart-base" if self.base else f"chart-{(self.colour - 1) % 6 + 1}"


def curve(line: Line) -> Curve:
    return Curve(line.series.steps, line.series.values, dotted=line.base)
