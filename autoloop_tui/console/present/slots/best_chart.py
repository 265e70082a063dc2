"""A chart of the best config of each round: whether the loop improves, and whether that is more than chance."""

from __future__ import annotations

from array import array

from autoloop.model import Outcome, Run, Series

from autoloop_tui.console.drawing.backdrop import Level
from autoloop_tui.console.drawing.curves import Scale
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import cells, number
from autoloop_tui.console.drawing.pieces import Piece, crop, heading, message
from autoloop_tui.console.drawing.plot import STEPS_FROM, plot, scale_of
from autoloop_tui.console.present.top_line import verdict_words


def best_rows(
    found: Outcome | None, rounds: int, metric: str, baseline: Run | None, width: int, height: int, *, glyphs: Glyphs
) -> list[list[Piece]]:
    """Return the chart: a dot for each round with a finished config, beside the baseline; a star marks a winner shown to be
    better.

    `baseline`: the first run of the loop; without an outcome, its state tells whether a result is still to come. A single
    round is shown as text.
    """
    words: list[Piece] = []
    if found is not None and found.comparison is not None:
        said, _, look = verdict_words(found, glyphs)
        words = [(said, look)]
    rows = [heading(f"best per round{glyphs.dot}{metric}", words, width, focused=False, glyphs=glyphs)]
    if found is None:
        why = "the baseline has not finished yet"
        if baseline is not None and baseline.state.ended:
            why = f"the baseline has no result ({baseline.state.value})"
        return rows + message([(why, "dim")], width, height - 1)
    if rounds == 1:
        best = [f"best {number(each.first.value)}{glyphs.dot}" for each in found.rounds]
        return rows + message([(f"{''.join(best)}baseline {number(found.baseline.value)}", "")], width, height - 1)
    series = Series(
        array("q", [each.round for each in found.rounds]), array("d", [each.first.value for each in found.rounds])
    )
    lines, levels = [Line("", series)], [Level(found.baseline.value, f"baseline {number(found.baseline.value)}")]
    scale = scale_of(lines, levels, x_high=rounds)
    if scale is None:
        return rows
    scale = scale._replace(x_low=1.0, x_high=float(rounds))
    tall = height - 1
    plotted = plot(lines, scale, width, tall, glyphs=glyphs, levels=levels)
    winner = found.rounds and found.better and next((e.round for e in found.rounds if e.first.run == found.first.run), None)
    for each in found.rounds:
        star = each.round == winner
        sign = (glyphs.of("★", "*"), "bold slot-finished") if star else (glyphs.of("●", "o"), "bold chart-1")
        _mark(plotted, scale, each.round, each.first.value, tall - (tall >= STEPS_FROM), sign, number(each.first.value))
    return rows + plotted


def _mark(plotted: list[list[Piece]], scale: Scale, x: float, value: float, tall: int, sign: Piece, label: str) -> None:
    """Put a symbol at its position in a plot, with its value beside it if there is room."""
    if not plotted or tall <= 0:
        return
    place = scale.place(tall * 4)(value)
    row = plotted[min(tall - 1, max(0, int(place + 0.5) // 4))]
    axis = sum(cells(text) for text, names in row[:2] if names in ("dim", "rule")) if len(row) > 2 else 0
    whole = sum(cells(text) for text, _ in row)
    wide = whole - axis - 1
    at = axis + min(wide - 1, int((x - scale.x_low) / (scale.x_high - scale.x_low) * (2 * wide - 1)) // 2)
    text = f" {label} "
    right = at + 1 + len(text) <= whole
    start = at + 1 if right else at - len(text)
    pieces = [*crop(row, 0, at), sign, *crop(row, at + 1, whole)]
    if start > axis:
        pieces = [*crop(pieces, 0, start), (text, ""), *crop(pieces, start + len(text), whole)]
    row[:] = pieces
