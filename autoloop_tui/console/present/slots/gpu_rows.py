"""The selected run's GPU usage over time, as sampled by the engine."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoloop.gpu_history import GpuHistory
from autoloop.gpus import GIB
from autoloop.text.values import duration, number

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import sparkline
from autoloop_tui.console.drawing.pieces import Piece, heading

ROWS = 4
"""A heading, and one row each for utilisation, memory and power."""
LABEL, VALUE = 7, 10


def gpu_rows(history: GpuHistory, label: str, width: int, *, memory: float | None, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the rows: utilisation from 0 to 100 %, memory from 0 to the GPU's total, power from 0 to its maximum, each with
    the newest value. `memory`: total bytes; if None, the scale ends at the maximum used."""
    points = history.points
    used, power = [point.memory for point in points], [point.power for point in points]
    use = history.use
    parts = [f"mean {use.utilisation:.0f} %"] if use and use.utilisation is not None else []
    parts += [f"idle {use.idle_share * 100:.0f} % of the time"] if use and use.idle_share is not None else []
    title = f"{label}{glyphs.dot}{duration(history.seconds)}"
    rows = [
        heading(
            title,
            [(", ".join(parts), "dim")],
            width,
            focused=False,
            glyphs=glyphs,
        )
    ]
    for name, values, most, unit in (
        ("use", [point.utilisation for point in points], 100.0, "%"),
        ("memory", used, max(_most(used), (memory or 0) / GIB), "GiB"),
        ("power", power, _most(power), "W"),
    ):
        room = max(0, width - LABEL - VALUE - 3)
        known = [math.nan if value is None else value for value in values]
        spark = sparkline(known, min(room, len(known)), span=(0.0, most), glyphs=glyphs)
        last = next((value for value in reversed(values) if value is not None), None)
        told = f"{number(last, 6)} {unit}" if last is not None else glyphs.nothing
        rows.append([(f" {name:<{LABEL}}", "dim"), (spark, "chart-1"), (f" {told}", "")])
    return rows


def _most(values: Sequence[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0) or 1.0
