"""A summary as an entry of autorun_summary.json, the shape that people's scripts read.

`{metric: {first, last, …}, "steps": N}`, with our further numbers beside the original ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from autoloop.model import MetricSummary, Summary, UserError

_T = TypeVar("_T")


def to_json(summary: Summary) -> dict[str, Any]:
    """The entry of one run: first, last, best, best_step, delta, pct, then what is new; `steps` at the end.

    Always valid JSON, as a summary holds finite numbers only.
    """
    entry: dict[str, Any] = {name: msgspec.to_builtins(metric) for name, metric in summary.metrics.items()}
    return {**entry, "steps": summary.steps}


def from_json(entry: Mapping[str, Any]) -> Summary:
    """The summary in an entry, ours or the original's smaller one.

    What the original did not write is filled in as far as it can be told: `n` is 1 where nothing moved, else 2; min
    and max span first, last and best; the tail is `last`; the last step is `steps`. A metric without finite `first`
    and `last` is left out, as is anything that is no metric. Raises UserError if the entry is not an object.
    """
    if not isinstance(entry, Mapping):
        raise UserError(f"A run's summary must be an object of metrics, and this is {type(entry).__name__}.")
    steps = _whole(entry.get("steps"), 0)
    metrics = {}
    for name, numbers in entry.items():
        if isinstance(numbers, Mapping) and (metric := _metric(numbers, steps)) is not None:
            metrics[str(name)] = metric
    return Summary(metrics=metrics, steps=steps)


def _metric(numbers: Mapping[str, Any], steps: int) -> MetricSummary | None:
    first, last = _finite(numbers.get("first"), None), _finite(numbers.get("last"), None)
    if first is None or last is None:
        return None
    best = _finite(numbers.get("best"), last)
    delta = _finite(numbers.get("delta"), last - first)
    known = (first, last, best)
    return MetricSummary(
        first=first,
        last=last,
        best=best,
        best_step=_whole(numbers.get("best_step"), steps),
        delta=delta,
        pct=_finite(numbers.get("pct"), delta / first * 100 if first else 0.0),
        n=_whole(numbers.get("n"), 1 if first == last == best else 2),
        min=_finite(numbers.get("min"), min(known)),
        max=_finite(numbers.get("max"), max(known)),
        tail_mean=_finite(numbers.get("tail_mean"), last),
        tail_mad=_finite(numbers.get("tail_mad"), 0.0),
        first_step=_whole(numbers.get("first_step"), 0),
        last_step=_whole(numbers.get("last_step"), steps),
        nan=_whole(numbers.get("nan"), 0),
        inf=_whole(numbers.get("inf"), 0),
    )


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
