"""The noise of a metric: how much it differs between runs that differ only in the seed.

Replicates of several configs are pooled, on the assumption that the spread does not depend on the config. The groups' means
do not matter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge

import msgspec

from autoloop.verdicts.distributions import chi_square_quantile, normal_quantile


@dataclass(frozen=True)
class Value:
    """The result of one run in one metric: `value` (a statistic of the metric) at `step`. `seed`: equal for runs with equal
    seeds, empty if unknown."""

    value: float
    step: int
    seed: str = ""


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """The spread of one metric between seeds, in the metric's unit.

    `sd`: the pooled standard deviation within groups of replicates; `dof`: its degrees of freedom (runs minus groups), at
    least 1. `pair_sd`: the standard deviation of the differences between two configs at equal seeds, None until two configs
    have two seeds in common; `pair_dof`: its degrees of freedom.
    """

    sd: float
    dof: int
    runs: int
    groups: int
    pair_sd: float | None = None
    pair_dof: int = 0

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The confidence interval of the true spread, for normally distributed values."""
        tail = (1 - confidence) / 2
        square = self.sd * self.sd * self.dof
        return tuple(math.sqrt(square / chi_square_quantile(p, self.dof)) for p in (1 - tail, tail))  # type: ignore[return-value]

    @property
    def correlation(self) -> float | None:
        """The correlation of runs of different configs with equal seeds: at 0 pairing by seed gains nothing, at 1 it removes
        all noise. None if unknown."""
        if self.pair_sd is None or not self.sd:
            return None
        return max(-1.0, min(1.0, 1 - self.pair_sd**2 / (2 * self.sd**2)))

    @property
    def pairs_well(self) -> bool:
        """Whether pairing by seed has been shown to reduce the noise (5 %, one-sided, Fisher's z)."""
        correlation = self.correlation
        if correlation is None or self.pair_dof < LEAST_PAIRS:
            return False
        return correlation >= 1 or math.atanh(max(correlation, -0.999)) > normal_quantile(0.95) / math.sqrt(
            self.pair_dof - 2
        )


LEAST_PAIRS = 4
"""The least degrees of freedom of the differences with which pairing may be used."""


def pooled(groups: Iterable[Sequence[Value]]) -> Noise | None:
    """Return the noise of these groups of replicates; None if no group has two runs, or if no value differs within a group.

    Within a group only runs at the same step count: the step that most of them reached; of several such steps, the last.
    """
    return Pool().noise([Group(values) for values in groups])


class Group:
    """Replicates of one config and their contribution to the noise, computed once."""

    def __init__(self, values: Sequence[Value]) -> None:
        fair = at_one_step(values)
        self.several = len(values) > 1
        self.runs = len(fair) if len(fair) > 1 else 0
        self.squares = _squares([each.value for each in fair]) if self.runs else 0.0
        seeds = by_seed(fair)
        self.seeds = seeds if len(seeds) > 1 else {}
        """The value of each seed. Empty for a single seed, which cannot form pairs: a loop may have thousands of such
        groups."""


class Pool:
    """The noise of a growing list of groups. Results for the unchanged first groups are reused."""

    def __init__(self) -> None:
        self._groups: list[Group] = []
        self._pairs: list[tuple[int, float]] = []
        """For each group, degrees of freedom and sum of squares of its differences to the earliest group with which it
        shares two seeds; zeros if there is none. Each group is compared once: all pairs would count runs repeatedly."""
        self._having: dict[str, list[int]] = {}
        """For each seed, the indices of the groups that have it, in order."""

    def noise(self, groups: Sequence[Group]) -> Noise | None:
        """Return the same as `pooled` does for the groups' values."""
        changed = (i for i, (old, new) in enumerate(zip(self._groups, groups, strict=False)) if old is not new)
        self._keep(next(changed, len(groups)))
        for group in groups[len(self._groups) :]:
            self._add(group)
        runs, several = sum(group.runs for group in groups), sum(group.runs > 0 for group in groups)
        dof, total = runs - several, sum(group.squares for group in groups)
        if not dof or not total > 0 or not math.isfinite(total):
            return None
        pair_dof, pair_total = sum(dof for dof, _ in self._pairs), sum(squares for _, squares in self._pairs)
        return Noise(
            sd=math.sqrt(total / dof),
            dof=dof,
            runs=runs,
            groups=several,
            pair_sd=math.sqrt(pair_total / pair_dof) if pair_dof else None,
            pair_dof=pair_dof,
        )

    def _add(self, group: Group) -> None:
        mine, having = group.seeds, self._having
        # A group that shares two seeds is found even without the most frequent seed, which all groups may have.
        some = sorted((having[seed] for seed in mine if seed in having), key=len)[:-1]
        pairs = 0, 0.0
        for earlier in merge(*some):
            others = self._groups[earlier].seeds
            if len(shared := mine.keys() & others.keys()) > 1:
                pairs = len(shared) - 1, _squares([mine[seed] - others[seed] for seed in sorted(shared)])
                break
        for seed in mine:
            having.setdefault(seed, []).append(len(self._groups))
        self._groups.append(group)
        self._pairs.append(pairs)

    def _keep(self, first: int) -> None:
        """Keep only the first `first` groups."""
        for group in self._groups[first:]:
            for seed in group.seeds:
                having = self._having[seed]
                while having and having[-1] >= first:
                    having.pop()
        del self._groups[first:], self._pairs[first:]


class NoiseGap(StrEnum):
    """Why the noise of some groups of replicates is unknown."""

    SEEDS = "no config was run with two seeds"
    STEPS = "no two seeds of a config ended at the same step"
    SPREAD = "all seeds of a config gave the same value"


def lacking(groups: Iterable[Sequence[Value]]) -> NoiseGap:
    """Return why `pooled` gives None for these groups."""
    return lacking_in([Group(values) for values in groups])


def lacking_in(groups: Iterable[Group]) -> NoiseGap:
    several = [group for group in groups if group.several]
    if not several:
        return NoiseGap.SEEDS
    return NoiseGap.SPREAD if any(group.runs for group in several) else NoiseGap.STEPS


def at_one_step(group: Sequence[Value]) -> list[Value]:
    """Return the values at the step that most of the group reached; of several such steps, the last."""
    if not group:
        return []
    counts = Counter(each.step for each in group)
    step = max(counts, key=lambda step: (counts[step], step))
    return [each for each in group if each.step == step]


def by_seed(group: Sequence[Value]) -> dict[str, float]:
    """Return the value of each seed; for a seed that ran several times, the mean."""
    found: dict[str, list[float]] = {}
    for each in group:
        if each.seed:
            found.setdefault(each.seed, []).append(each.value)
    return {seed: sum(values) / len(values) for seed, values in found.items()}


def stable_from(curves: Sequence[Mapping[int, float]]) -> int | None:
    """Return the first step from which on the spread between replicates stays as it is at the end; None if unknown.

    `curves`: each replicate's value by step. A spread counts as the same if it lies in the 95 % interval of the spread at
    the end. Needs at least two replicates and three common steps.
    """
    if len(curves) < 2:
        return None
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    if len(steps) < 3:
        return None
    spreads = [pooled([[Value(curve[step], step) for curve in curves]]) for step in steps]
    last = spreads[-1]
    if last is None:
        return None
    low, high = last.interval()
    stable = steps[-1]
    for step, spread in reversed(list(zip(steps, spreads, strict=True))):
        if spread is None or not low <= spread.sd <= high:
            break
        stable = step
    return stable


def _squares(values: Sequence[float]) -> float:
    """The sum of squares about the mean."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)
