"""Which metrics a table of runs shows: the book's, and for runs that have none of those, the main ones of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from autoloop.metrics.book import MetricBook
from autoloop.model import Summary

_WORDS = re.compile(r"[a-z]+")
_HELD_OUT = frozenset(("val", "valid", "validation", "eval", "evaluation", "test", "dev", "offline"))
_BOOKKEEPING = re.compile(
    "epochs?|steps?|iters?|iterations?|lr|rate|time|runtime|seconds?|sec|ms|duration|samples|tokens|memory|mem|gpu|cpu|fps"
    "|throughput|mfu"
)


def main_metrics(summaries: Sequence[Summary], book: MetricBook, most: int = 5) -> tuple[list[str], list[str]]:
    """The columns for these runs, at most `most` beside the book's, and what else the runs have that get no column.

    A held-out loss comes first, then any other loss, then other held-out metrics; of equals, what more runs have.
    """
    columns = [key for key in book.key_metrics if any(key in each.metrics or key in each.not_finite for each in summaries)]
    foreign = [each for each in summaries if not any(key in each.metrics for key in book.key_metrics)]
    counts = Counter(name for each in foreign for name in {*each.metrics, *each.not_finite})
    ranked = sorted(counts, key=lambda name: (_rank(name), -counts[name], name))
    own = [name for name in ranked if name not in columns][: max(0, most - len(columns))]
    left = [name for name in ranked if name not in columns and name not in own]
    return [*columns, *own], left


def _rank(name: str) -> int:
    words = set(_WORDS.findall(name.lower()))
    loss, held_out = "loss" in words, bool(words & _HELD_OUT)
    if not loss and any(map(_BOOKKEEPING.fullmatch, words)):
        return 4
    return 0 if loss and held_out else 1 if loss else 2 if held_out else 3
