"""By which metric past runs are compared: the one that a user names, else the first key metric that can tell."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.backtest.replay import Replayed
from autoloop.metrics import Direction, MetricBook, MetricBooks, found_as, main_metrics
from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean


def book_of(runs: Sequence[Replayed], books: MetricBooks) -> MetricBook:
    """The book that knows the metrics of all these runs."""
    return books.for_runs((run.facts.config, run.summary.metrics) for run in runs)


def main_metric(runs: Sequence[Replayed], book: MetricBook) -> tuple[str, Direction] | None:
    """The first key metric of the runs whose better direction is known; None without such a one."""
    keys, _ = main_metrics([run.summary for run in runs], book)
    return next(((key, good) for key in keys if (good := book.direction(key))), None)


def chosen_metric(name: str, runs: Sequence[Replayed], book: MetricBook) -> tuple[str, Direction]:
    """The canonical name of a metric, written in any of its names, and which direction is better. UserError if no run has
    it, or it is not known whether higher or lower is better."""
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
