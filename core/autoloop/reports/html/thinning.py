"""Reduces the points of a series, but keeps its extremes and gaps."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left

from autoloop.model import Series

Points = list[tuple[float, float]]
"""Steps and values; NaN stands for one or more consecutive values that are not finite."""

_A_BUCKET = 5
"""The most points kept per bucket: first, lowest, highest, last, and the first that is not finite."""


def thinned(series: Series, most: int) -> Points:
    """Return at most `most` points; `most` is at least 5. The steps are divided into equal buckets, and each keeps its
    first, last, lowest and highest point and the first that is not finite."""
    steps, values = series.steps, series.values
    if len(values) <= most:
        return [(step, value if math.isfinite(value) else math.nan) for step, value in series]
    buckets = most // _A_BUCKET
    span = steps[-1] - steps[0] + 1
    points: Points = []
    begin = 0
    for bucket in range(1, buckets + 1):
        end = len(values) if bucket == buckets else bisect_left(steps, steps[0] + span * bucket / buckets)
        if end > begin:
            kept = sorted(_kept(values[begin:end]))
            points += [(steps[begin + at], _finite(values[begin + at])) for at in kept]
        begin = end
    return points


def _kept(values: array[float]) -> set[int]:
    if math.isfinite(sum(values)):
        return {0, values.index(min(values)), values.index(max(values)), len(values) - 1}
    finite = [at for at, value in enumerate(values) if math.isfinite(value)]
    gap = next((at for at, value in enumerate(values) if not math.isfinite(value)), None)
    kept = {gap} if gap is not None else set()
    if finite:
        low, high = min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)
        kept |= {finite[0], low, high, finite[-1]}
    return kept


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan
