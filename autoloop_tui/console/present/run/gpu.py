"""A run's GPU usage as a row of text: utilisation over time, and its summary."""

from __future__ import annotations

import math

from autoloop.gpu_history import GpuHistory
from autoloop.text.gpu_use import gpu_use_facts
from autoloop.text.values import duration

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import sparkline
from autoloop_tui.console.drawing.pieces import Piece, wide
from autoloop_tui.console.present.run.header import whole

LEAST, SPARKS = 10, 30
"""Minimum and maximum width of the sparkline in cells."""


def gpu_row(history: GpuHistory, width: int, *, glyphs: Glyphs) -> list[Piece]:
    """Return ` GPU ▇▇▁▇  utilisation 87 %, idle 4 % of the time, …  over 2h10m`."""
    known = gpu_use_facts(history.use) if history.use else []
    facts: list[list[Piece]] = [[(f"{', ' if at else '  '}{fact}", "")] for at, fact in enumerate(known)]
    facts.append([(f"  over {duration(history.seconds)}", "dim")])
    values = [math.nan if point.utilisation is None else point.utilisation for point in history.points]
    room = width - len(" GPU ") - sum(map(wide, facts))
    spark = sparkline(values, min(len(values), max(LEAST, min(SPARKS, room))), span=(0.0, 100.0), glyphs=glyphs)
    return whole([[(" GPU ", "dim"), (spark, "chart-1")], *facts], width, glyphs)
