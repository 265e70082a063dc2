"""The metric that shows best that a run has diverged. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from autoloop.metrics import MetricBook, shows_divergence
from autoloop.model import Series


class Divergence(NamedTuple):
    """A metric, by its canonical name, and the step since which all its values are NaN or infinite."""

    metric: str
    since: int


def divergence(columns: Mapping[str, Series], book: MetricBook) -> Divergence | None:
    """Return a key metric that shows divergence, in the order of the book, otherwise the loss that did so first; None if no
    metric does."""
    keys = list(book.key_metrics)
    found: list[Divergence] = []
    for name, series in columns.items():
        values = series.values
        first = len(values)
        while first and not math.isfinite(values[first - 1]):
            first -= 1
        if first < len(values) and shows_divergence(name, len(values) - first, book):
            found.append(Divergence(name, series.steps[first]))
    return min(found, key=lambda each: (_place(each.metric, keys), each.since, each.metric), default=None)


def _place(metric: str, keys: list[str]) -> int:
    return keys.index(metric) if metric in keys else len(keys)
