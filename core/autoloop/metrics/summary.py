"""Columns of a run -> canonical columns with derived metrics -> summary statistics.

Designed for 20 metrics of 100 000 points without numpy: every pass over the values is a built-in that loops in C.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from operator import truediv

from autoloop.metrics.book import DerivedMetric, MetricBook, fits
from autoloop.metrics.wording import Direction
from autoloop.model import MetricSummary, Series, Summary

PLATEAU_POINTS = 8
"""Minimum number of points to call a curve flat. With eight, a rank test can tell the two halves apart (5 %, two-sided: 2 of
the 70 ways to divide them); with fewer, even a curve that falls at every point could be chance."""


def canonical_names(names: Iterable[str], book: MetricBook) -> dict[str, str]:
    """Map each name to its canonical name. If several names are for one metric, the first one in the book is the metric, and
    the others keep their own names."""
    left = dict.fromkeys(names)
    result: dict[str, str] = {}
    for metric in book.metrics.values():
        name = next((name for name in (metric.name, *metric.aliases) if name in left), None)
        if name is not None:
            result[name] = metric.name
            del left[name]
    taken = set(result.values())
    for name in left:
        free = book.renamed(name)
        new = name if free is None or free in taken or free in left else free
        if new not in taken:
            taken.add(new)
            result[name] = new
    return result


@lru_cache(64)
def _called(names: tuple[str, ...], book: MetricBook) -> Mapping[str, str]:
    """`canonical_names` of the metrics among `names`. Cached, because live rules ask at every point and columns rarely
    change."""
    return canonical_names([name for name in names if not book.is_ignored(name)], book)


@lru_cache(256)
def _first_of(names: tuple[str, ...], patterns: tuple[str, ...]) -> str | None:
    """The first name (alphabetically) that matches the first pattern with a match. Cached like `_called`."""
    for pattern in patterns:
        if matching := [name for name in names if fits(name, (pattern,))]:
            return min(matching)
    return None


def canonical_columns(columns: Mapping[str, Series], book: MetricBook) -> dict[str, Series]:
    """The columns by canonical name, plus the derived ones that can be computed. Series are shared, not copied.

    If several names are for one metric, the first one with points is used, and the others keep their own names, so that
    nothing is lost. Empty columns and counters are omitted. A ratio has values at the steps that both its parts have.
    """
    filled = tuple([name for name, series in columns.items() if series.values])
    result = {new: columns[old] for old, new in _called(filled, book).items()}
    for derived in book.derived.values():
        if derived.name not in result and (computed := _derive(derived, result)) is not None:
            result[derived.name] = computed
    return result


def summarise(columns: Mapping[str, Series], book: MetricBook) -> Summary:
    """Summarise every column, by canonical name. `steps` is the last step of any column.

    A metric without any finite value is not in `metrics`, only in `not_finite`.
    """
    return summarise_named(canonical_columns(columns, book), book)


def summarise_named(
    named: Mapping[str, Series], book: MetricBook, only: Container[str] | None = None, steps: int | None = None
) -> Summary:
    """`summarise` for non-empty columns that already have canonical names. `only`: the columns to compute statistics for;
    the others are only checked for newest values that are not finite. `steps`: replaces the last step of the columns."""
    metrics = {}
    bad = {name: count for name, series in named.items() if (count := _not_finite_at_the_end(series.values))}
    for name, series in named.items():
        if (only is None or name in only) and (summary := _summarised(series, book.direction(name))) is not None:
            metrics[name] = summary
    return Summary(
        metrics=metrics,
        steps=max((series.steps[-1] for series in named.values()), default=0) if steps is None else steps,
        not_finite=list(bad),
        infinite=[name for name in bad if named[name].values[-1] == math.inf],
        in_a_row=bad,
    )


def _not_finite_at_the_end(values: array[float]) -> int:
    if math.isfinite(values[-1]):
        return 0
    return next((count for count, value in enumerate(reversed(values)) if math.isfinite(value)), len(values))


def _derive(derived: DerivedMetric, columns: Mapping[str, Series]) -> Series | None:
    if derived.ratio is None:
        first = _first_of(tuple(columns), derived.first_of)
        return None if first is None else columns[first]
    above, below = (columns.get(name) for name in derived.ratio)
    if above is None or below is None:
        return None
    if above.steps == below.steps:
        steps, tops, bottoms = above.steps, above.values, below.values
    else:
        known = dict(below)
        pairs = [(step, value, known[step]) for step, value in above if step in known]
        if not pairs:
            return None
        steps = array("q", [step for step, _, _ in pairs])
        tops = array("d", [top for _, top, _ in pairs])
        bottoms = array("d", [bottom for _, _, bottom in pairs])
    bottoms = array("d", [value + derived.epsilon for value in bottoms])
    try:
        values = array("d", map(truediv, tops, bottoms))
    except ZeroDivisionError:
        values = array("d", [top / bottom if bottom else math.nan for top, bottom in zip(tops, bottoms, strict=True)])
    return Series(steps=steps, values=values)


def _summarised(series: Series, good: Direction | None) -> MetricSummary | None:
    steps, values = series.steps, series.values
    nan = inf = 0
    if not math.isfinite(sum(values)):
        nan = sum(map(math.isnan, values))
        inf = sum(map(math.isinf, values))
        finite = list(map(math.isfinite, values))
        steps, values = array("q", compress(steps, finite)), array("d", compress(values, finite))
    if not values:
        return None
    n = len(values)
    low, high = min(values), max(values)
    best = None if good is None else high if good == "high" else low
    first, last = values[0], values[-1]
    delta = _held(last - first)
    tail = sorted(values[-min(n, max(3, math.ceil(n / 5))) :])
    middle = _median(tail)
    return MetricSummary(
        first=first,
        last=last,
        best=best,
        best_step=None if best is None else steps[values.index(best)],
        delta=delta,
        pct=_held(delta / first * 100) if first else 0.0,
        n=n,
        min=low,
        max=high,
        tail_mean=mean(tail),
        tail_mad=_held(_median(sorted([abs(value - middle) for value in tail]))),
        first_step=steps[0],
        last_step=steps[-1],
        nan=nan,
        inf=inf,
    )


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value, even if their sum exceeds the range of floats."""
    total = sum(values)
    return total / len(values) if math.isfinite(total) else sum(value / len(values) for value in values)


def _median(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else mean(ordered[half - 1 : half + 1])


def _held(value: float) -> float:
    """`value`, limited to the range of finite floats: the change from 5e-324 to 1 overflows as a percentage, and JSON has no
    infinity."""
    return max(-sys.float_info.max, min(sys.float_info.max, value))
