"""Metric curves as text, drawn by plotext, which is imported only when a chart is drawn."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Sequence

from autoloop.model import Run, Series

from autoloop_tui.cli.output import printing

MOST = 6
"""Maximum number of runs in a chart; equals the number of colours."""
COLOURS = (14, 11, 13, 10, 12, 9)
"""Colours from the terminal's palette of sixteen."""
WIDTH, HEIGHT = 80, 20
"""Size of a chart in cells if the output is no terminal; on a terminal, HEIGHT is the minimum."""


def chart(metric: str, lines: Sequence[tuple[Run, Series | None]], *, log: bool = False) -> str:
    """Return a chart of one metric: a line per run that has finite values, and a legend with the last value of each.

    `log`: use a logarithmic scale and omit values that are not above 0. NaN and infinity are always omitted.
    """
    import plotext

    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    size = shutil.get_terminal_size((WIDTH, HEIGHT + 4)) if sys.stdout.isatty() else os.terminal_size((WIDTH, HEIGHT))
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(size.columns, max(HEIGHT, size.lines // 2))
    for paint in (plotext.canvas_color, plotext.axes_color, plotext.ticks_color):
        paint("default")
    legend, drawn = [], False
    for number, (run, series) in enumerate(lines):
        letter = chr(ord("a") + number)
        points = [(x, y) for x, y in series or () if math.isfinite(y) and (y > 0 or not log)]
        name = f"{run.name} ({run.id})"
        if not points:
            legend.append(f"  {letter}  {name}: no value{' above 0' if log and series else ''}")
            continue
        xs, ys = zip(*points, strict=True)
        heights = [math.log10(y) for y in ys] if log else list(ys)
        drawn = True
        plotext.plot(list(xs), heights, marker="braille" if coloured else letter, color=COLOURS[number])
        mark = f"\x1b[38;5;{COLOURS[number]}m━━\x1b[0m" if coloured else f" {letter}"
        legend.append(f" {mark}  {printing.printable(name)}: {ys[-1]:.4g} at step {xs[-1]}{_ended(series, points)}")
    title = f"{metric}, log₁₀" if log else metric
    body = plotext.build() if drawn else ""
    text = body if coloured else plotext.uncolorize(body)
    rows = [row.rstrip() for row in text.splitlines()]
    return "\n".join([printing.printable(title), *rows, *legend])


def _ended(series: Series | None, points: Sequence[tuple[int, float]]) -> str:
    """Return a note for the legend if the newest values are not finite, because the curve does not show that."""
    if series is None or not len(series) or math.isfinite(series.values[-1]):
        return ""
    return f", {series.values[-1]:g} since step {next(step for step in series.steps if step > points[-1][0])}"
