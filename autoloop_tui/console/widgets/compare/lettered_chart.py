"""A chart of several runs that tells them apart without colour: each line's letter stands beside its last value."""

from __future__ import annotations

import math

from autoloop_tui.console.drawing.curves import Scale
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.widgets.big_chart import BigChart
from autoloop_tui.console.widgets.chart import Chart

BIG = 100
"""From this width of the screen on the chart has a frame and more ticks."""


class LetteredChart(BigChart):
    """The label of a line is its letter."""

    def plot(self, scale: Scale, width: int, height: int) -> list[list[Piece]]:
        braille = not (self.glyphs.ascii_only or self.glyphs.blocks)
        big = self.screen.size.width >= BIG and height >= 8 and width >= 40 and braille
        # plotext draws a frame around the lines and the steps below it.
        first, tall = (1, height - 3) if big else (0, height - (height >= 4))
        beside = self._letters(scale, first, tall)
        margin = max((len(row) for row in beside.values()), default=0) + 1
        if width < margin + 20:
            return Chart.plot(self, scale, width, height)
        plot = BigChart.plot if big else Chart.plot
        rows = plot(self, scale, width - margin, height)
        return [[*row, (" ", ""), *beside.get(y, [])] for y, row in enumerate(rows)]

    def _letters(self, scale: Scale, first: int, tall: int) -> dict[int, list[Piece]]:
        """By row of the plot: the letters of the lines that end there."""
        beside: dict[int, list[Piece]] = {}
        place = scale.place(max(2, tall * 4))
        for line in self.lines:
            values = line.series.values
            last = next((value for value in reversed(values) if math.isfinite(value)), None)
            if last is None or (scale.log_y and last <= 0):
                continue
            row = first + min(max(0, tall - 1), max(0, int(place(last) + 0.5) // 4))
            beside.setdefault(row, []).append((line.label[:1], f"bold {line.look}"))
        return beside
