"""A large chart with axes, drawn by plotext: for the screens where somebody studies one metric.

plotext 5.3 keeps one figure for the whole process and draws in tens of milliseconds: it is used on the UI thread only,
imported when the first large chart is seen, fed with thinned series, and asked again only when something changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from autoloop_tui.console.drawing.curves import Scale, beads, thin
from autoloop_tui.console.drawing.paint import short_count
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.drawing.ticks import x_ticks, y_values
from autoloop_tui.console.widgets.chart import Chart

_COLOURED = re.compile(r"\x1b\[(?:38;5;(\d+)|0)m")


class BigChart(Chart):
    """Like Chart, with a frame and more ticks. Small areas are drawn as Chart draws them."""

    def plot(self, scale: Scale, width: int, height: int) -> list[list[Piece]]:
        if height < 8 or width < 30 or self.glyphs.ascii_only or self.glyphs.blocks:
            return super().plot(scale, width, height)
        import plotext

        def up(values: Iterable[float]) -> list[float]:
            return [math.log10(value) for value in values] if scale.log_y else list(values)

        plotext.clear_figure()
        plotext.limit_size(False, False)
        plotext.plot_size(width, height)
        for paint in (plotext.canvas_color, plotext.axes_color, plotext.ticks_color):
            paint("default")
        plotext.xlim(scale.x_low, scale.x_high)
        plotext.ylim(*up((scale.y_low, scale.y_high)))
        looks = {}
        for number, line in reversed(list(enumerate(self.lines, 1))):  # Later ones are in front.
            looks[str(number)] = line.look
            parts = width // 2 if line.base else width  # Two points of each.
            for xs, ys in thin(line.series.steps, line.series.values, parts, log_y=scale.log_y):
                if line.base:
                    dots = beads(xs, up(ys), scale.x_low, scale.x_high, width)
                    plotext.scatter([x for x, _ in dots], [y for _, y in dots], marker="braille", color=number)
                else:
                    plotext.plot(xs, up(ys), marker="braille", color=number)
        steps = sorted(x_ticks(scale, width - 10).values())
        plotext.xticks(steps, [short_count(step) for step in steps])
        values = y_values(scale, height)
        plotext.yticks(up(value for value, _ in values), [label for _, label in values])
        return [_pieces(row, looks) for row in plotext.build().rstrip("\n").split("\n")]


def _pieces(row: str, looks: dict[str, str]) -> list[Piece]:
    """One row of plotext's output; its colours are the numbers that the lines were given."""
    parts = _COLOURED.split(row)
    pieces: list[Piece] = []
    for text, colour in zip(parts[::2], [None, *parts[1::2]], strict=True):
        if text:
            pieces.append((text, looks.get(colour, "") if colour else "dim"))
    return pieces
