"""Choose the metrics shown for runs: the book's, those that `--until` and the rules use, or the main ones by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from autoloop.metrics.book import MetricBook
from autoloop.metrics.wording import rank_of, words_of
from autoloop.model import Run, Summary

COUNTER = 5
"""The rank of counters, which are not metrics."""
LOOKED_AT = 200
"""Number of newest runs that determine the metrics for all, because a loop may have thousands."""


def main_metrics(summaries: Sequence[Summary], book: MetricBook, most: int = 5) -> tuple[list[str], list[str]]:
    """The columns for these runs, and their other metrics, which get no column. At most `most` columns, not counting those
    of the book."""
    return main_names([{*each.metrics, *each.not_finite} for each in summaries], book, most)


def main_names(runs: Sequence[Collection[str]], book: MetricBook, most: int = 5) -> tuple[list[str], list[str]]:
    """`main_metrics`, given the names of each run's metrics.

    The book's key metrics come first, or if it has none, those that `--until` and the rules use. They are followed by
    metrics of the runs that have none of the book's: a held-out loss, a training loss, other held-out metrics, and so on;
    among equals those that more runs have, then the plainest name. Counters get a column only if there is nothing else.
    """
    said = book.key_metrics or book.named
    columns = [key for key in said if any(key in each for each in runs)]
    others = [each for each in runs if not (book.key_metrics and any(key in each for key in book.key_metrics))]
    counts = Counter(name for each in others for name in each)
    ranked = sorted(counts, key=lambda name: (rank_of(name), -counts[name], len(words_of(name)), name))
    free = [name for name in ranked if name not in columns]
    metrics = [name for name in free if rank_of(name) < COUNTER] or (free if not columns else [])
    own = metrics[: max(0, most - len(columns))]
    return [*columns, *own], [name for name in free if name not in own]


def for_runs(book: MetricBook, runs: Sequence[Run], live: Sequence[Collection[str]] = ()) -> MetricBook:
    """The book with the key metrics for these runs; unchanged if they have no metrics. `live`: the canonical names logged so
    far by each running run."""
    ended = [run.summary for run in runs[-LOOKED_AT:] if run.summary]
    sets = [*({*each.metrics, *each.not_finite} for each in ended), *live]
    if book.key_metrics and any(key in each for each in sets for key in book.key_metrics):
        return book
    columns, _ = main_names(sets, book)
    return book.with_keys(columns) if columns else book
