"""The columns of a metric in the table of runs: number formats, and the spread over seeds. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoloop.metrics import MetricBook
from autoloop.model import MetricSummary
from autoloop.text.number_column import NumberColumn

from autoloop_tui.console.present.rounds.rows import RunRow, base_metric

ROOM = 9
"""Maximum cells of a number; wider columns lose significant digits."""


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
        """Return the columns for some rows. `live`: figures of running runs so far."""
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
        """Return whether new figures of a running run fit into the columns as they are."""
        theirs = base_metric(row, self.metric)
        return self.last.takes(found.last) and (theirs is None or self.change.takes(found.last - theirs.last))


def spread(row: RunRow, metric: str) -> float | None:
    """Return the standard deviation of the last values of a config's finished runs; None for fewer than two."""
    values = [found.last for member in row.members if (found := member.metric(metric))]
    return statistics.stdev(values) if len(values) > 1 else None
