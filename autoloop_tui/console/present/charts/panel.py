"""A chart of a grid: what it draws, and its title row, in which numbers are never truncated."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from autoloop.metrics import MetricBook
from autoloop.model import MetricSummary

from autoloop_tui.console.drawing.backdrop import Band, Level
from autoloop_tui.console.drawing.cutting import middle
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.lines import Line, nan_since
from autoloop_tui.console.drawing.paint import cells, number, short_count
from autoloop_tui.console.drawing.pieces import Piece, padded, wide
from autoloop_tui.console.present.metric_delta import Delta

SHORTEST = 8
"""Cells kept of a name before facts beside it are dropped."""


@dataclass(frozen=True)
class Panel:
    """The contents of a chart. `lines`: the front one first. `facts`: shown beside the name; listed by importance, displayed
    in the order of their numbers. `x_high`: a step that the axis must include."""

    name: str
    lines: Sequence[Line]
    levels: Sequence[Level] = ()
    facts: Sequence[tuple[int, Piece]] = ()
    x_high: float | None = None
    pinned: bool = False
    told: Sequence[Sequence[Piece]] = ()
    """The full facts shown below the grid when the chart has the focus."""

    @property
    def stamp(self) -> tuple[object, ...]:
        """A key that changes whenever the curves do."""
        return (self.x_high, *self.levels, *(line.stamp for line in self.lines))


def title(panel: Panel, width: int, *, focused: bool, cursor: float | None, glyphs: Glyphs) -> list[Piece]:
    """Return the title row: the name and facts, or with a `cursor` the values at that step. If space is short, facts are
    dropped before the name is shortened; the first fact is never dropped."""
    told = panel.facts if cursor is None else list(enumerate(readout(panel.lines, cursor)))
    facts = [(place, (f" {text}", look)) for place, (text, look) in told]
    mark = glyphs.of("▌", ">") if focused else glyphs.rule
    pin = glyphs.of("◆ ", "* ") if panel.pinned else ""
    room = width - 2 - cells(pin) - 1
    least = min(cells(panel.name), SHORTEST) if cursor is not None else cells(panel.name)
    while len(facts) > 1 and room - wide([piece for _, piece in facts]) < least:
        facts.pop()
    shown = [piece for _, piece in sorted(facts)]
    name = middle(panel.name, max(0, room - wide(shown)), glyphs.ellipsis)
    row: list[Piece] = [(f"{mark} ", "key" if focused else "rule"), (pin, "key")]
    row += [(name, "bold key" if focused else "bold"), *shown, (" ", "")]
    return padded([*row, (glyphs.rule * (width - wide(row)), "rule")], width)


def readout(lines: Sequence[Line], step: float, *, bands: bool = False) -> list[Piece]:
    """Return the step and the value of each line there, labelled with its letter. `bands`: include the range of its
    seeds."""
    pieces: list[Piece] = [(f"@{short_count(step)}", "key")]
    for line in lines:
        value = line.at(step)
        text = f"{line.letter or line.label} {number(value)}"
        if bands and line.band is not None and (around := _range(line.band, step)) is not None:
            text += f" ({number(around[0])} to {number(around[1])})"
        pieces.append((text, line.look))
    return pieces


def _range(band: Band, step: float) -> tuple[float, float] | None:
    place = bisect_right(band.xs, step)
    return (band.lows[place - 1], band.highs[place - 1]) if place else None


def facts_of(
    line: Line, summary: MetricSummary | None, delta: Delta | None, book: MetricBook, metric: str, *, glyphs: Glyphs
) -> list[tuple[int, Piece]]:
    """Return facts such as `0.3319 ±0.002 -0.0086@1.5k ↓`: the last value, the spread of the last points, the change against
    the base at that step, and the better direction."""
    since = nan_since(line.series)
    if since is not None:
        return [(0, (f"NaN since step {since}", "bold slot-failed"))]
    values = line.series.values
    facts: list[tuple[int, Piece]] = [(0, (number(values[-1] if len(values) else None), line.look))]
    if summary is not None and delta is not None:
        text, look = delta.piece(9, glyphs=glyphs)
        if text:
            facts.append((2, (f"{text}@{short_count(summary.last_step)}" if delta.fair else text, look)))
    if summary is not None and summary.n > 2:
        facts.append((1, (f"{glyphs.of('±', '+-')}{number(summary.tail_mad, 7)}", "dim")))
    good = glyphs.towards(book.direction(metric))
    return [*facts, (3, (good, "dim"))] if good else facts
