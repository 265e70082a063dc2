"""A summary as an entry of autorun_summary.json, in the format that existing scripts read.

`{metric: {first, last, …}, "steps": N}`, with additional numbers next to the original ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from autoloop.metrics.book import MetricBook, default_book
from autoloop.metrics.summary import PLATEAU_POINTS, canonical_names
from autoloop.model import MetricSummary, Summary, UserError

_T = TypeVar("_T")


def to_json(summary: Summary) -> dict[str, Any]:
    """The entry of one run: first, last, best, best_step, delta, pct, then the additional numbers; `steps` at the end.

    Always valid JSON, because a summary holds only finite numbers. `newest` marks a metric with a newest value that is NaN
    or infinite.
    """
    entry: dict[str, Any] = {name: msgspec.to_builtins(metric) for name, metric in summary.metrics.items()}
    for name in summary.not_finite:
        if name in entry:
            entry[name]["newest"] = "Infinity" if name in summary.infinite else "NaN"
    return {**entry, "steps": summary.steps}


def from_json(entry: Mapping[str, Any], book: MetricBook | None = None) -> Summary:
    """The summary in an entry, either full or in the original's smaller format.

    Old names of a metric are resolved as in a history. Numbers that the original format lacks are filled in: without `first`
    there was one value, `last`; `n` is 1 if nothing changed and the best step is the last, otherwise the number of points of
    a plateau, because the length is unknown; min and max span first, last and best; the tail is `last`; the last step is
    `steps`. Metrics that end in NaN or infinity are marked; others without a finite `last` are omitted, as is everything
    that is not a metric. Raises UserError if the entry is not an object.
    """
    book = book or default_book()
    if not isinstance(entry, Mapping):
        raise UserError(f"A run's summary must be an object of metrics, and this is {type(entry).__name__}.")
    steps = _whole(entry.get("steps"), 0)
    given = {str(name): numbers for name, numbers in entry.items() if isinstance(numbers, Mapping)}
    known = {name: numbers for name, numbers in given.items() if not book.is_ignored(name)}
    metrics = {}
    newest: dict[str, float] = {}
    for name, canonical in canonical_names(known, book).items():
        if (metric := _metric(known[name], steps)) is not None:
            metrics[canonical] = metric
        if (value := _not_finite(known[name].get("newest", known[name].get("last")))) is not None:
            newest[canonical] = value
    return Summary(
        metrics=metrics,
        steps=steps,
        not_finite=list(newest),
        infinite=[name for name, value in newest.items() if value == math.inf],
        in_a_row=dict.fromkeys(newest, 1),
    )


def _metric(numbers: Mapping[str, Any], steps: int) -> MetricSummary | None:
    last = _finite(numbers.get("last"), None)
    first = _finite(numbers.get("first"), last)
    if first is None or last is None:
        return None
    best = _finite(numbers.get("best"), last)
    delta = _finite(numbers.get("delta"), last - first)
    known = (first, last, best)
    best_step = _whole(numbers.get("best_step"), steps)
    return MetricSummary(
        first=first,
        last=last,
        best=best,
        best_step=best_step,
        delta=delta,
        pct=_finite(numbers.get("pct"), delta / first * 100 if first else 0.0),
        n=_whole(numbers.get("n"), 1 if first == last == best and best_step == steps else PLATEAU_POINTS),
        min=_finite(numbers.get("min"), min(known)),
        max=_finite(numbers.get("max"), max(known)),
        tail_mean=_finite(numbers.get("tail_mean"), last),
        tail_mad=_finite(numbers.get("tail_mad"), 0.0),
        first_step=_whole(numbers.get("first_step"), 0),
        last_step=_whole(numbers.get("last_step"), steps),
        nan=_whole(numbers.get("nan"), 0),
        inf=_whole(numbers.get("inf"), 0),
    )


def _not_finite(value: Any) -> float | None:
    """NaN or infinity, written as in Python's JSON or as text (W&B); None for anything else."""
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        value = float(value)
    return value if isinstance(value, float) and not math.isfinite(value) else None


_WORDS = ("nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")


def _finite(value: Any, other: _T) -> float | _T:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return other
    try:
        number = float(value)
    except OverflowError:  # an int beyond the range of floats
        return other
    return number if math.isfinite(number) else other


def _whole(value: Any, other: int) -> int:
    number = _finite(value, None)
    return other if number is None else int(number)
