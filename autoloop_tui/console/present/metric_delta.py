"""How one run's metric stands against another's: the change, and what may be said of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from autoloop.metrics import MetricBook, summarise
from autoloop.model import Call, MetricSummary, Series

from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs
from autoloop_tui.console.drawing.paint import signed
from autoloop_tui.console.drawing.pieces import Piece

if TYPE_CHECKING:
    from autoloop.verdicts import Verdict  # which the first paint does not need

TAIL = 250
"""Points at the end of a running series that tell its last value and its noise."""


class Delta(NamedTuple):
    """`change` = mine - theirs: of the two configs where a verdict knows the noise between runs, else of the last values."""

    change: float
    verdict: Verdict | None = None
    """None where one of the runs has not finished: then nothing is better or worse."""
    fair: bool = True
    """Whether both values are of the same step. If they are not, neither is better: a curve falls as training goes on."""

    @property
    def call(self) -> Call:
        return self.verdict.call if self.verdict and self.fair else Call.NOT_ENOUGH

    @property
    def look(self) -> str:
        """Only what has been shown between runs has a colour."""
        return {Call.BETTER: "slot-finished", Call.WORSE: "slot-warn", Call.HIGHER: "", Call.LOWER: ""}.get(self.call, "dim")

    def piece(self, width: int, *, glyphs: Glyphs = UNICODE) -> Piece:
        """The change with its sign; `≈` where no difference has been shown although there were enough runs."""
        if math.isnan(self.change):
            return "", ""
        if self.change == 0:
            return "=", "dim"
        if self.call is Call.NO_DIFFERENCE:
            mark = glyphs.about
            return (f"{mark} {signed(self.change, width - 2)}" if width >= 7 else mark), "dim"
        return signed(self.change, width), self.look

    @property
    def words(self) -> str:
        """What it rests on, in short: `better (n 4, 4)`, `within the run only`."""
        from autoloop.verdicts import Basis
        from autoloop.verdicts.wording import short

        if not self.fair:
            return Basis.UNEQUAL_STEPS.value
        return short(self.verdict) if self.verdict else Basis.WITHIN_RUN.value


def against(mine: MetricSummary, theirs: MetricSummary, verdict: Verdict | None = None) -> Delta:
    """One run against another: by the verdict on their configs, else the last value of one against the other's."""
    if verdict is not None and verdict.interval is not None:
        return Delta(verdict.effect, verdict)
    return Delta(mine.last - theirs.last, verdict, fair=mine.last_step == theirs.last_step)


def at_the_step_of(
    mine: Mapping[str, MetricSummary], theirs: Mapping[str, Series], book: MetricBook
) -> Mapping[str, MetricSummary]:
    """Where another run stood when it had made as many steps: of each metric, as `so_far`. A metric that it had not
    logged by then is left out."""
    tails = {}
    for name, summary in mine.items():
        if (series := theirs.get(name)) is not None and (end := bisect_right(series.steps, summary.last_step)):
            start = max(0, end - TAIL)
            tails[name] = Series(series.steps[start:end], series.values[start:end])
    return summarise(tails, book).metrics


def so_far(columns: Mapping[str, Series], book: MetricBook) -> Mapping[str, MetricSummary]:
    """What a running run has reached, by the last points of its canonical columns: cheap however many there are.

    Only `last`, `last_step` and the spread are of the whole run; `first`, `best`, `min` and `max` are of these points.
    """
    tails = {name: Series(series.steps[-TAIL:], series.values[-TAIL:]) for name, series in columns.items()}
    return summarise(tails, book).metrics
