"""The metric that past runs are compared by: the user's choice, or the first key metric with a known direction."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.backtest.replay import ReplayResult
from autoloop.metrics import Direction, MetricBook, MetricBooks, found_as, main_metrics
from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean


def book_of(runs: Sequence[ReplayResult], books: MetricBooks) -> MetricBook:
    """The book that knows the metrics of all these runs."""
    return books.for_runs((run.facts.config, run.summary.metrics) for run in runs)


def main_metric(runs: Sequence[ReplayResult], book: MetricBook) -> tuple[str, Direction] | None:
    """The first key metric of the runs with a known better direction, and that direction; None if there is none."""
    keys, _ = main_metrics([run.summary for run in runs], book)
    return next(((key, good) for key in keys if (good := book.direction(key))), None)


def chosen_metric(name: str, runs: Sequence[ReplayResult], book: MetricBook) -> tuple[str, Direction]:
    """The canonical name and the better direction of a metric, given by any of its names. UserError if no run has it, or
    its direction is unknown."""
    names = {metric: None for run in runs for metric in run.summary.metrics}
    found = found_as(name, book, names)
    if found not in names:
        hint = did_you_mean(name, [book.short(each) for each in names], "`autoloop-tui runs --json` lists the names.")
        raise UserError(f"No run has a metric {name}; {hint}")
    if good := book.direction(found):
        return found, good
    raise UserError(
        f"Unknown whether higher or lower {name} is better; declare it in autoloop.toml under [metrics]: "
        f'lower = ["{found}"] or higher = ["{found}"].'
    )
