"""Find the earliest step at which past runs show that the worse half can be stopped.

For each step with points, assume that the worse half of every cohort is stopped there, ranked by each run's newest value. A
stopped run that ended among the best counts as lost. A step is safe if, at this and every later step, the upper end of the
95 % interval of the share of lost runs among the stopped ones is at most the risk. If there are too few runs to show such a
small share, no step is safe.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from autoloop.backtest.intervals import Rate
from autoloop.backtest.ranks import FEWEST, best_of, cohort_of, rank
from autoloop.backtest.replay import ReplayResult
from autoloop.metrics import Direction

MOST_STEPS = 200
"""Maximum number of steps tried; if there are more, evenly spaced ones are used."""
LATEST = 0.9
"""Latest step tried, as a fraction of the shortest run's length; stopping later saves nothing."""


@dataclass(frozen=True)
class StopCandidate:
    """One step. `lost`: how many of the stopped runs ended among the best. `saved`: the share of all steps saved (0–1)."""

    step: int
    lost: Rate
    saved: float


@dataclass(frozen=True)
class SafeStop:
    """`safe`: the earliest safe step; None if there is none. `tried`: every step, earliest first. `runs`: the number of runs
    compared, in `cohorts` cohorts. `floor`: the smallest upper end that this number of runs could have shown."""

    metric: str
    risk: float
    safe: StopCandidate | None
    tried: list[StopCandidate]
    runs: int
    cohorts: int

    @property
    def floor(self) -> float:
        return Rate(0, max((each.lost.n for each in self.tried), default=0)).wilson()[1]


def find_stop(runs: Sequence[ReplayResult], metric: str, good: Direction, risk: float) -> SafeStop:
    """Find the step from `runs` that were replayed with `metric` as their `curve`. `risk`: 0 to 1."""
    ranks = rank(runs, metric, good)
    cohorts: dict[Hashable, list[ReplayResult]] = defaultdict(list)
    for run in runs:
        if run.facts.id in ranks.place and run.curve is not None and len(run.curve):
            cohorts[cohort_of(run.facts)].append(run)
    groups = [members for members in cohorts.values() if len(members) >= FEWEST]
    tried = [_tried(groups, step, ranks.best, good) for step in _steps(groups)]
    safe: StopCandidate | None = None
    for each in reversed(tried):
        if each.lost.wilson()[1] > risk:
            break
        safe = each
    return SafeStop(metric, risk, safe, tried, sum(map(len, groups)), len(groups))


def _steps(groups: Sequence[Sequence[ReplayResult]]) -> list[int]:
    """The steps to try: some run has a point there, and every run has a point by then."""
    curves = [run.curve for members in groups for run in members if run.curve is not None]
    if not curves:
        return []
    first = max(curve.steps[0] for curve in curves)
    last = LATEST * min(curve.steps[-1] for curve in curves)
    steps = sorted({step for curve in curves for step in curve.steps if first <= step <= last})
    stride = -(-len(steps) // MOST_STEPS) or 1
    return steps[::stride]


def _tried(groups: Sequence[Sequence[ReplayResult]], step: int, best: set[str], good: Direction) -> StopCandidate:
    lost = stopped = saved = total = 0
    for members in groups:
        ordered = sorted(members, key=lambda run: (_at(run, step, good), run.facts.id))
        kept = max(len(members) - len(members) // 2, best_of(len(members)))
        for run in ordered[kept:]:
            stopped += 1
            lost += run.facts.id in best
            saved += max(0, run.facts.step - step)
        total += sum(run.facts.step for run in members)
    return StopCandidate(step, Rate(lost, stopped), saved / total if total else 0.0)


def _at(run: ReplayResult, step: int, good: Direction) -> float:
    """The newest value by that step, negated if higher is better; NaN is the worst."""
    assert run.curve is not None
    value = run.curve.values[bisect_right(run.curve.steps, step) - 1]
    if math.isnan(value):
        return math.inf
    return -value if good == "high" else value
