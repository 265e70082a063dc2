"""How one run's metric stands against another's: the change, whether it is more than noise, and which way it goes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from autoloop.metrics import Direction, MetricBook, summarise
from autoloop.model import MetricSummary, Series

from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs
from autoloop_tui.console.drawing.paint import signed
from autoloop_tui.console.drawing.pieces import Piece

TAIL = 250
"""Points at the end of a running series that tell its last value and its noise."""


class Delta(NamedTuple):
    """`change` = mine - theirs; `noise`: twice the larger of the two spreads of the last values (tail_mad)."""

    change: float
    noise: float
    good: Direction | None
    """Which direction is better; None if that is not known, and then neither value is."""
    fair: bool = True
    """Whether both values are of the same step. If they are not, neither is better: a curve falls as training goes on."""

    @property
    def even(self) -> bool:
        return self.fair and abs(self.change) <= self.noise

    @property
    def better(self) -> bool:
        return self.good is not None and self.fair and not self.even and (self.change > 0) == (self.good == "high")

    def piece(self, width: int, *, glyphs: Glyphs = UNICODE) -> Piece:
        """The change with its sign; `≈` where it is within the noise."""
        if math.isnan(self.change):
            return "", ""
        if not self.fair:
            return signed(self.change, width), "dim"
        if self.change == 0:
            return "=", "dim"
        if self.even:
            mark = glyphs.about
            return (f"{mark} {signed(self.change, width - 2)}" if width >= 7 else mark), "dim"
        looks = "" if self.good is None else "slot-finished" if self.better else "slot-warn"
        return signed(self.change, width), looks


def against(mine: MetricSummary, theirs: MetricSummary, good: Direction | None) -> Delta:
    """The last value of one run against the last of another."""
    noise = 2 * max(mine.tail_mad, theirs.tail_mad)
    return Delta(mine.last - theirs.last, noise, good, fair=mine.last_step == theirs.last_step)


def at_the_step_of(
    mine: Mapping[str, MetricSummary], theirs: Mapping[str, Series], book: MetricBook
) -> dict[str, MetricSummary]:
    """Where another run stood when it had made as many steps: of each metric, as `so_far`. A metric that it had not
    logged by then is left out."""
    tails = {}
    for name, summary in mine.items():
        if (series := theirs.get(name)) is not None and (end := bisect_right(series.steps, summary.last_step)):
            start = max(0, end - TAIL)
            tails[name] = Series(series.steps[start:end], series.values[start:end])
    return summarise(tails, book).metrics


def so_far(columns: Mapping[str, Series], book: MetricBook) -> dict[str, MetricSummary]:
    """What a running run has reached, by the last points of its canonical columns: cheap however many there are.

    Only `last`, `last_step` and the spread are of the whole run; `first`, `best`, `min` and `max` are of these points.
    """
    tails = {name: Series(series.steps[-TAIL:], series.values[-TAIL:]) for name, series in columns.items()}
    return summarise(tails, book).metrics
