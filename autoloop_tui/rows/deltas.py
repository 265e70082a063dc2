"""How one run's metric stands against another's: the change, whether it is more than noise, and which way it goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from autoloop.metrics import MetricBook, summarise
from autoloop.model import MetricSummary, Series

from autoloop_tui.drawing.paint import signed
from autoloop_tui.widgets.rows import Piece

TAIL = 250
"""Points at the end of a running series that tell its last value and its noise."""


class Delta(NamedTuple):
    """`change` = mine - theirs; `noise`: twice the larger of the two spreads of the last values (tail_mad)."""

    change: float
    noise: float
    higher: bool
    """Whether a larger value is the better one."""

    @property
    def even(self) -> bool:
        return abs(self.change) <= self.noise

    @property
    def better(self) -> bool:
        return not self.even and (self.change > 0) == self.higher

    def piece(self, width: int, *, ascii_only: bool = False) -> Piece:
        """The change with its sign; `≈` where it is within the noise."""
        if math.isnan(self.change):
            return "", ""
        if self.change == 0:
            return "=", "dim"
        if self.even:
            mark = "~" if ascii_only else "≈"
            return (f"{mark} {signed(self.change, width - 2)}" if width >= 7 else mark), "dim"
        return signed(self.change, width), "slot-finished" if self.better else "slot-warn"


def against(mine: MetricSummary, theirs: MetricSummary, *, higher: bool) -> Delta:
    """The last value of one run against the last of another."""
    return Delta(mine.last - theirs.last, 2 * max(mine.tail_mad, theirs.tail_mad), higher)


def so_far(columns: Mapping[str, Series], book: MetricBook) -> dict[str, MetricSummary]:
    """What a running run has reached, by the last points of its canonical columns: cheap however many there are.

    Only `last`, `last_step` and the spread are of the whole run; `first`, `best`, `min` and `max` are of these points.
    """
    tails = {name: Series(series.steps[-TAIL:], series.values[-TAIL:]) for name, series in columns.items()}
    return summarise(tails, book).metrics
