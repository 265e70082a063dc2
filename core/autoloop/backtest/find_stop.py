"""The earliest step at which the worse half of the runs can be stopped, as far as past runs show it.

At each step at which runs have points, the worse half of every cohort is stopped in thought, by the newest value that each
run has by then. A run that would have ended among the best and is in that half is lost. A step is safe if, there and at
every later step, the upper end of the 95 % interval of the share of lost runs among the stopped ones is at most the risk:
so few runs, that could show no smaller share, give no step at all.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from autoloop.backtest.intervals import Rate
from autoloop.backtest.ranks import FEWEST, best_of, cohort_of, rank
from autoloop.backtest.replay import Replayed
from autoloop.metrics import Direction

MOST_STEPS = 200
"""Steps that are tried; of more, evenly spaced ones."""
LATEST = 0.9
"""Of the length of the shortest run; to stop later saves nothing."""


@dataclass(frozen=True)
class Tried:
    """One step: `lost`, of the stopped runs those that would have ended among the best; the steps saved, of all."""

    step: int
    lost: Rate
    saved: float


@dataclass(frozen=True)
class SafeStop:
    """`safe`: the earliest step that is; None if none is. `tried`: every step, the earliest first. `runs`: how many were
    compared, in `cohorts` cohorts. `floor`: the smallest upper end that this number of runs could have shown."""

    metric: str
    risk: float
    safe: Tried | None
    tried: list[Tried]
    runs: int
    cohorts: int

    @property
    def floor(self) -> float:
        return Rate(0, max((each.lost.n for each in self.tried), default=0)).wilson()[1]


def find_stop(runs: Sequence[Replayed], metric: str, good: Direction, risk: float) -> SafeStop:
    """By the curves of `runs`, whose `curve` is the metric's."""
    ranks = rank(runs, metric, good)
    cohorts: dict[Hashable, list[Replayed]] = defaultdict(list)
    for run in runs:
        if run.facts.id in ranks.place and run.curve is not None and len(run.curve):
            cohorts[cohort_of(run.facts)].append(run)
    groups = [members for members in cohorts.values() if len(members) >= FEWEST]
    tried = [_tried(groups, step, ranks.best, good) for step in _steps(groups)]
    safe: Tried | None = None
    for each in reversed(tried):
        if each.lost.wilson()[1] > risk:
            break
        safe = each
    return SafeStop(metric, risk, safe, tried, sum(map(len, groups)), len(groups))


def _steps(groups: Sequence[Sequence[Replayed]]) -> list[int]:
    """The steps at which a run has a point and all have had one."""
    curves = [run.curve for members in groups for run in members if run.curve is not None]
    if not curves:
        return []
    first = max(curve.steps[0] for curve in curves)
    last = LATEST * min(curve.steps[-1] for curve in curves)
    steps = sorted({step for curve in curves for step in curve.steps if first <= step <= last})
    stride = -(-len(steps) // MOST_STEPS) or 1
    return steps[::stride]


def _tried(groups: Sequence[Sequence[Replayed]], step: int, best: set[str], good: Direction) -> Tried:
    lost = stopped = saved = total = 0
    for members in groups:
        ordered = sorted(members, key=lambda run: (_at(run, step, good), run.facts.id))
        kept = max(len(members) - len(members) // 2, best_of(len(members)))
        for run in ordered[kept:]:
            stopped += 1
            lost += run.facts.id in best
            saved += max(0, run.facts.step - step)
        total += sum(run.facts.step for run in members)
    return Tried(step, Rate(lost, stopped), saved / total if total else 0.0)


def _at(run: Replayed, step: int, good: Direction) -> float:
    """The newest value by that step, turned so that lower is better; what is no number is the worst."""
    assert run.curve is not None
    value = run.curve.values[bisect_right(run.curve.steps, step) - 1]
    if math.isnan(value):
        return math.inf
    return -value if good == "high" else value
