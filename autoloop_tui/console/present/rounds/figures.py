"""The columns of a metric in the table of runs: number formats, and the spread over seeds. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoloop.metrics import MetricBook
from autoloop.model import MetricSummary, Run
from autoloop.model.packed_metrics import last_and_best
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
        lasts, bests, changes, spreads = [], [], [], []
        for row in rows:
            found = _last_and_best(row.run, metric) or last_and_best(live.get(row.run.id, {}), metric)
            if found is None:
                continue
            lasts.append(found[0])
            bests.append(found[1])
            if theirs := _last_and_best(row.base, metric):
                changes.append(found[0] - theirs[0])
            if row.members:
                spreads.append(spread(row, metric))
        directed = book.direction(metric) is not None
        return cls(
            metric,
            NumberColumn.of(bests if directed else [], room=ROOM),
            NumberColumn.of(lasts, room=ROOM),
            NumberColumn.of(changes, signed=True, room=ROOM),
            NumberColumn.of(spreads, digits=2, room=ROOM),
        )

    def take(self, row: RunRow, found: MetricSummary) -> bool:
        """Return whether new figures of a running run fit into the columns as they are."""
        theirs = base_metric(row, self.metric)
        return self.last.takes(found.last) and (theirs is None or self.change.takes(found.last - theirs.last))


def _last_and_best(run: Run | None, metric: str) -> tuple[float, float | None] | None:
    return last_and_best(run.summary.metrics, metric) if run and run.summary else None


def spread(row: RunRow, metric: str) -> float | None:
    """Return the standard deviation of the last values of a config's finished runs; None for fewer than two."""
    values = [found.last for member in row.members if (found := member.metric(metric))]
    return statistics.stdev(values) if len(values) > 1 else None
