"""A chart of several runs that tells them apart without colour: each line's letter stands beside its last value."""

from __future__ import annotations

import math

from autoloop_tui.console.drawing.curves import Scale
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.drawing.plot import STEPS_FROM
from autoloop_tui.console.widgets.chart import Chart


class LetteredChart(Chart):
    """The label of a line is its letter."""

    def plot(self, scale: Scale, width: int, height: int) -> list[list[Piece]]:
        beside = self._letters(scale, height - (height >= STEPS_FROM))
        margin = max((len(row) for row in beside.values()), default=0)
        if width < margin + 20:
            return super().plot(scale, width, height)
        rows = super().plot(scale, width - margin, height)
        return [[*row, *beside.get(y, [])] for y, row in enumerate(rows)]

    def _letters(self, scale: Scale, tall: int) -> dict[int, list[Piece]]:
        """By row of the plot: the letters of the lines that end there."""
        beside: dict[int, list[Piece]] = {}
        place = scale.place(max(2, tall * 4))
        for line in self.lines:
            values = line.series.values
            last = next((value for value in reversed(values) if math.isfinite(value)), None)
            if last is None or (scale.log_y and last <= 0):
                continue
            row = min(max(0, tall - 1), max(0, int(place(last) + 0.5) // 4))
            beside.setdefault(row, []).append((line.label[:1], f"bold {line.look}"))
        return beside
