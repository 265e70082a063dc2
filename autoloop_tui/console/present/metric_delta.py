"""The change of a metric between two runs, and what can be concluded from it."""

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
    from autoloop.verdicts import Verdict  # not needed for the first paint

TAIL = 250
"""Number of points at the end of a running series used for its last value and noise."""


class Delta(NamedTuple):
    """The change, mine - theirs: of the two configs if the verdict has an interval, otherwise of the last values."""

    change: float
    verdict: Verdict | None = None
    """None if one of the runs has not finished; then nothing is better or worse."""
    fair: bool = True
    """Whether both values are of the same step. If not, neither is better, because curves fall during training."""

    @property
    def call(self) -> Call:
        return self.verdict.call if self.verdict and self.fair else Call.NOT_ENOUGH

    @property
    def look(self) -> str:
        """The look: only differences shown between runs are coloured."""
        return {Call.BETTER: "slot-finished", Call.WORSE: "slot-warn", Call.HIGHER: "", Call.LOWER: ""}.get(self.call, "dim")

    def piece(self, width: int, *, glyphs: Glyphs = UNICODE) -> Piece:
        """Return the signed change; `≈` marks that no difference was found although there were enough runs."""
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
        """The basis of the change in short: `better (n 4, 4)`, `within the run only`."""
        from autoloop.verdicts import Basis
        from autoloop.verdicts.wording import short

        if not self.fair:
            return Basis.UNEQUAL_STEPS.value
        return short(self.verdict) if self.verdict else Basis.WITHIN_RUN.value


def against(mine: MetricSummary, theirs: MetricSummary, verdict: Verdict | None = None) -> Delta:
    """Compare a run with another: by the verdict on their configs if it has an interval, otherwise by their last values."""
    if verdict is not None and verdict.interval is not None:
        return Delta(verdict.effect, verdict)
    return Delta(mine.last - theirs.last, verdict, fair=mine.last_step == theirs.last_step)


def at_the_step_of(
    mine: Mapping[str, MetricSummary], theirs: Mapping[str, Series], book: MetricBook
) -> Mapping[str, MetricSummary]:
    """Return the other run's summaries at the steps of `mine`, as by `so_far`. Metrics it had not logged by then are left
    out."""
    tails = {}
    for name, summary in mine.items():
        if (series := theirs.get(name)) is not None and (end := bisect_right(series.steps, summary.last_step)):
            start = max(0, end - TAIL)
            tails[name] = Series(series.steps[start:end], series.values[start:end])
    return summarise(tails, book).metrics


def so_far(columns: Mapping[str, Series], book: MetricBook) -> Mapping[str, MetricSummary]:
    """Return the summaries of a running run from the last points of its canonical columns, at a cost independent of their
    length.

    Only `last`, `last_step` and the spread describe the whole run; `first`, `best`, `min` and `max` cover these points only.
    """
    tails = {name: Series(series.steps[-TAIL:], series.values[-TAIL:]) for name, series in columns.items()}
    return summarise(tails, book).metrics
