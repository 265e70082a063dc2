"""The best run of a loop."""

from __future__ import annotations

from autoloop.metrics import LOOKED_AT, MetricBook, for_runs
from autoloop.model import BestRun, RunState
from autoloop.store import Store


def best_run(store: Store, loop: int, book: MetricBook) -> BestRun | None:
    """The finished run with the best last value of the first usable key metric; None if there is no such metric.

    A metric is usable if any run has it and its better direction is known. Reads one round at a time, because a loop may
    have more runs than memory should hold.
    """
    newest = store.newest_in(loop, RunState.FINISHED, LOOKED_AT)
    directions = {key: book.direction(key) for key in for_runs(book, newest[::-1]).key_metrics}
    best: dict[str, BestRun] = {}
    for round_ in store.rounds(loop) if any(directions.values()) else ():
        for run in store.runs(loop, round_.number):
            metrics = run.summary.metrics if run.state is RunState.FINISHED and run.summary else {}
            for key, direction in directions.items():
                if direction and key in metrics:
                    found = BestRun(metric=key, highest=direction == "high", value=metrics[key].last, run=run.id)
                    if key not in best or found.beats(best[key]):
                        best[key] = found
    return next((best[key] for key in directions if key in best), None)
