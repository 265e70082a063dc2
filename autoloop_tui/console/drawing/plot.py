"""A chart as rows of coloured text: curves, background and axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoloop_tui.console.drawing.backdrop import Backdrop, Cursor, Level, Shape
from autoloop_tui.console.drawing.curves import Scale, draw, fit_scale
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.lines import Line, nan_zone
from autoloop_tui.console.drawing.paint import cells, fit
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.drawing.ticks import x_axis, y_ticks

LEVEL_LOOK, ZONE_LOOK, CURSOR_LOOK = "slot-warn", "slot-failed", "key"

STEPS_FROM, VALUES_FROM, LETTERS_FROM = 4, 16, 24
"""Minimum rows for a step axis, and minimum widths for a value axis and for letters beside the lines."""


def scale_of(
    lines: Sequence[Line], levels: Sequence[Level] = (), *, log_y: bool = False, x_high: float | None = None
) -> Scale | None:
    """Return the axes that fit everything; None if there is nothing to draw."""
    curves = [curve for line in lines for curve in line.extent]
    return fit_scale(curves, [level.value for level in levels], log_y=log_y, x_high=x_high)


def plot(
    lines: Sequence[Line],
    scale: Scale,
    width: int,
    height: int,
    *,
    glyphs: Glyphs,
    levels: Sequence[Level] = (),
    filled: bool = False,
    cursor: float | None = None,
) -> list[list[Piece]]:
    """Return `height` rows. Small areas drop the step axis first, then the value axis; one cell stays free on the right. If
    several lines have letters, these are drawn there beside the last values.

    `filled`: fill the area below the first line. `cursor`: a step at which to draw a vertical line.
    """
    if height <= 0:
        return []
    below = height >= STEPS_FROM
    tall = height - below
    ticks = y_ticks(scale, tall) if width >= VALUES_FROM else {}
    named = glyphs.of("log₁₀", "log") if scale.log_y and ticks else ""
    margin = max(map(cells, [*ticks.values(), named]), default=0)
    beside = letters(lines, scale, tall) if width >= LETTERS_FROM else {}
    free = max((sum(cells(letter) for letter, _ in row) for row in beside.values()), default=1)
    wide = max(1, width - margin - (2 if margin else 0) - free)
    solid = [line for line in lines if not line.base]
    looks = [line.look for line in solid]
    backdrop = Backdrop(scale, wide, tall, glyphs)

    def behind(shape: Shape | None, look: str) -> None:
        if shape is not None:
            backdrop.draw(shape, len(looks))
            looks.append(look)

    if lines:
        behind(nan_zone(lines[0].series), ZONE_LOOK)
    for line in reversed(lines):
        behind(line.band, line.look)
    for line in reversed(lines):
        behind(line.curve if line.base else None, line.look)
    for level in levels:
        behind(level, LEVEL_LOOK)
    behind(None if cursor is None else Cursor(cursor), CURSOR_LOOK)

    bar, tick = glyphs.of("│", "|"), glyphs.of("┤", "+")
    rows: list[list[Piece]] = []
    drawn = draw([line.curve for line in solid], scale, wide, tall, glyphs=glyphs, filled=filled, behind=backdrop.rows)
    for y, pieces in enumerate(drawn):
        axis: list[Piece] = []
        if margin:
            axis = [(f"{fit(ticks.get(y, ''), margin, '>')} ", "dim"), (tick if y in ticks else bar, "rule")]
        rows.append([*axis, *((text, looks[which] if which >= 0 else "") for text, which in pieces), *beside.get(y, ())])
    if below:
        corner = fit(named, margin, ">") + "  " if margin else ""
        rows.append([(corner, "key" if named else "dim"), (x_axis(scale, wide), "dim")])
    return rows


def letters(lines: Sequence[Line], scale: Scale, tall: int) -> dict[int, list[Piece]]:
    """Return, by plot row, the letters of the lines that end there; empty for a single line."""
    beside: dict[int, list[Piece]] = {}
    named = [line for line in lines if line.letter]
    place = scale.place(max(2, tall * 4))
    for line in named if len(named) > 1 else ():
        last = next((value for value in reversed(line.series.values) if math.isfinite(value)), None)
        if last is not None and (last > 0 or not scale.log_y):
            row = min(max(0, tall - 1), max(0, int(place(last) + 0.5) // 4))
            beside.setdefault(row, []).append((line.letter, f"bold {line.look}"))
    return beside
