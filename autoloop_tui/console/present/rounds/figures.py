"""What the table of runs knows of one metric: how its numbers are written, and each run's value and change. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoloop.metrics import MetricBook
from autoloop.model import MetricSummary
from autoloop.text.number_column import NumberColumn

from autoloop_tui.console.present.rounds.rows import RunRow, base_metric

ROOM = 9
"""Cells of a number; of a column that needs more, significant digits give way."""


@dataclass(frozen=True)
class Figures:
    """The columns of one metric."""

    metric: str
    best: NumberColumn
    last: NumberColumn
    change: NumberColumn
    spread: NumberColumn

    @classmethod
    def of(
        cls, metric: str, rows: Sequence[RunRow], book: MetricBook, live: Mapping[str, Mapping[str, MetricSummary]]
    ) -> Figures:
        """`live`: what running runs have reached so far."""
        mine = [(row, found) for row in rows if (found := row.metric(metric) or live.get(row.run.id, {}).get(metric))]
        directed = book.direction(metric) is not None
        changes = [found.last - theirs.last for row, found in mine if (theirs := base_metric(row, metric))]
        spreads = [spread(row, metric) for row, _ in mine if row.members]
        return cls(
            metric,
            NumberColumn.of([found.best if directed else None for _, found in mine], room=ROOM),
            NumberColumn.of([found.last for _, found in mine], room=ROOM),
            NumberColumn.of(changes, signed=True, room=ROOM),
            NumberColumn.of(spreads, digits=2, room=ROOM),
        )

    def take(self, row: RunRow, found: MetricSummary) -> bool:
        """Whether what a running run has reached since stands in the columns as the rest does."""
        theirs = base_metric(row, self.metric)
        return self.last.takes(found.last) and (theirs is None or self.change.takes(found.last - theirs.last))


def spread(row: RunRow, metric: str) -> float | None:
    """The standard deviation of the last values of a config's finished runs; None of fewer than two."""
    values = [found.last for member in row.members if (found := member.metric(metric))]
    return statistics.stdev(values) if len(values) > 1 else None
