"""Rank past runs within their cohort, and determine the best.

Only finished runs of one cohort and of equal length are compared, by the mean of the last fifth of a metric's points.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from autoloop.backtest.replay import Facts, ReplayResult
from autoloop.metrics import Direction

FEWEST = 4
"""Minimum size of a cohort; the best quarter of fewer runs is less than one run."""
BEST = 0.25
"""The share of a cohort that counts as its best; the number of runs is rounded up."""


@dataclass(frozen=True)
class Ranks:
    """By run id: its value, its place among the `of` runs of its cohort (1 is the best), and whether it is among the best.
    `alone`: the number of finished runs with the metric that have too few others of equal length to compare with."""

    metric: str
    value: dict[str, float] = field(default_factory=dict)
    place: dict[str, int] = field(default_factory=dict)
    of: dict[str, int] = field(default_factory=dict)
    best: set[str] = field(default_factory=set)
    alone: int = 0


def rank(runs: Sequence[ReplayResult], metric: str, good: Direction) -> Ranks:
    cohorts: dict[Hashable, list[tuple[float, str]]] = defaultdict(list)
    for run in runs:
        reached = run.summary.metrics.get(metric)
        if run.facts.finished and reached is not None:
            value = math.inf if metric in run.summary.not_finite else _lower(reached.tail_mean, good)
            cohorts[cohort_of(run.facts)].append((value, run.facts.id))
    ranks = Ranks(metric)
    alone = 0
    for members in cohorts.values():
        if len(members) < FEWEST:
            alone += len(members)
            continue
        for place, (value, run_id) in enumerate(sorted(members), 1):
            ranks.value[run_id] = _lower(value, good)
            ranks.place[run_id], ranks.of[run_id] = place, len(members)
            if place <= best_of(len(members)):
                ranks.best.add(run_id)
    return Ranks(metric, ranks.value, ranks.place, ranks.of, ranks.best, alone)


def cohort_of(facts: Facts) -> Hashable:
    """Equal for the runs that may be compared with each other."""
    return facts.cohort, facts.total_steps


def best_of(runs: int) -> int:
    """The number of runs that count as the best of this number of runs."""
    return math.ceil(runs * BEST)


def _lower(value: float, good: Direction) -> float:
    """The value, negated if higher is better, so that lower is better; applying it twice restores the value."""
    return -value if good == "high" else value
