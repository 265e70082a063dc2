"""Replicates (runs that differ only in the seed) in a chart: their mean and the band between minimum and maximum."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autoloop.model import Series

from autoloop_tui.console.drawing.backdrop import Band

SAMPLES = 240
"""Number of steps at which seeds are sampled: more than a large chart has columns."""

MOST_SEEDS = 6
"""Maximum number of replicates per config read for its band."""


class Seeds(NamedTuple):
    """The mean and band of `runs` series over their common range of steps."""

    mean: Series
    band: Band
    runs: int

    @property
    def label(self) -> str:
        return f"{self.runs} seeds, min to max"


def over_seeds(many: Sequence[Series]) -> Seeds | None:
    """Return the mean and band of several series; None if fewer than two have a common step."""
    many = [each for each in many if len(each)]
    if len(many) < 2:
        return None
    first, last = max(each.steps[0] for each in many), min(each.steps[-1] for each in many)
    finest = max(many, key=len)
    steps = finest.steps[bisect_right(finest.steps, first - 1) : bisect_right(finest.steps, last)]
    if not len(steps):
        return None
    stride = max(1, len(steps) // SAMPLES)
    chosen = [*steps[:-1:stride], steps[-1]]
    mean, lows, highs = Series(), list[float](), list[float]()
    for step in chosen:
        values = [each.values[bisect_right(each.steps, step) - 1] for each in many]
        finite = [value for value in values if math.isfinite(value)]
        mean.append(step, sum(finite) / len(finite) if finite else math.nan)
        lows.append(min(finite, default=math.nan))
        highs.append(max(finite, default=math.nan))
    return Seeds(mean, Band(chosen, lows, highs), len(many))


class KnownSeeds:
    """Caches `over_seeds` by config and metric until one of the series grows."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[object, Seeds | None]] = {}

    def of(self, config: str, metric: str, columns: Sequence[Mapping[str, Series]]) -> Seeds | None:
        """Return the mean and band of a config. `columns`: the histories of its runs, as far as they have been read."""
        many = [each[metric] for each in columns if metric in each]
        state = tuple((id(each), len(each)) for each in many)
        known = self._known.get((config, metric))
        if known is None or known[0] != state:
            known = self._known[config, metric] = state, over_seeds(many)
        return known[1]
