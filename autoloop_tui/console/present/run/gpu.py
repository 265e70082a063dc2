"""What a run uses of its GPUs, as a row of text: the utilisation over time, and what it comes to."""

from __future__ import annotations

import math

from autoloop.gpu_history import GpuHistory
from autoloop.text.gpu_use import gpu_use_text
from autoloop.text.values import duration

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import sparkline
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.present.run.header import clipped

SPARKS = 30
"""Cells of the curve at most."""


def gpu_row(history: GpuHistory, width: int, *, glyphs: Glyphs) -> list[Piece]:
    """` GPU ▇▇▁▇  utilisation 87 %, idle 4 % of the time, …  over 2h10m`."""
    values = [math.nan if point.utilisation is None else point.utilisation for point in history.points]
    spark = sparkline(values, min(SPARKS, len(values), max(0, width // 4)), span=(0.0, 100.0), glyphs=glyphs)
    use = history.use
    row: list[Piece] = [(" GPU ", "dim"), (spark, "chart-1"), (f"  {gpu_use_text(use) if use else ''}", "")]
    return clipped([*row, (f"  over {duration(history.seconds)}", "dim")], width, glyphs)
