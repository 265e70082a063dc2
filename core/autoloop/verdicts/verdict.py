"""Whether one config is better than another, from one run or more of each: the only place that decides this."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, partial

from autoloop.metrics import Direction
from autoloop.model import Call
from autoloop.verdicts.boundary import EARLY_LOOKS, STEP, Boundary
from autoloop.verdicts.distributions import normal_cdf, student_quantile
from autoloop.verdicts.noise import Lacking, Noise, Value, by_seed, pooled

ALPHA = 0.05
"""How often "better" is said of equal configs, however often one looks; as often "worse"."""


class Statistic(StrEnum):
    """Which number stands for a run."""

    TAIL_MEAN = "tail mean"
    LAST = "last"
    BEST = "best"


class Basis(StrEnum):
    """What a verdict rests on."""

    PAIRED = "paired by seed"
    UNPAIRED = "unpaired"
    WITHIN_RUN = "within the run only"
    """How much seeds differ is not known, and nothing can be decided: most often no config was run with two seeds."""
    UNEQUAL_STEPS = "not at equal steps"
    MISSING = "no value"
    """One of the two has no run with this metric."""


@dataclass(frozen=True)
class Verdict:
    """`effect`: ours less theirs, in the metric's unit, NaN where a side has no value; `interval`: where the true effect is,
    for whoever looks after every run (each end is wrong in at most `alpha` of cases), None where the noise is not known;
    `runs`: how many of ours and of theirs count."""

    call: Call
    basis: Basis
    statistic: Statistic
    effect: float
    runs: tuple[int, int]
    interval: tuple[float, float] | None = None
    noise: Noise | None = None
    lacking: Lacking = Lacking.SEEDS
    """Why the noise is not known, where it is not."""
    alpha: float = ALPHA
    _later: partial[Iterator[tuple[int, _Estimate]]] | None = field(default=None, repr=False, compare=False)
    """The estimates after further runs."""

    @cached_property
    def more(self) -> int | None:
        """How many further runs of both together would settle it if the effect is what it looks like; None where that cannot
        be told, 0 where it is settled. Worked out when it is asked for: it takes longer than the verdict."""
        if self._later is None:
            return None
        return _settled(self._later(), self.alpha, abs(self.effect)) if self.call is Call.NOT_ENOUGH else 0


@dataclass(frozen=True)
class _Estimate:
    """An effect and its standard error, from `n` runs of each side. `h`: the z that an effect of one spread would have."""

    n: tuple[int, int]
    error: float
    h: float
    dof: int
    step: float

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - an estimate is a few numbers, and equal ones recur in every verdict
    def bounds(self, alpha: float) -> tuple[float, float]:
        """The largest effect with which no difference is shown (below 0: too early for that), and the least that decides."""
        boundary = Boundary(alpha, self.step)
        z = boundary.decides(self.h, min(self.n))
        t = -student_quantile(normal_cdf(-z), self.dof)
        # A spread that is hardly known: it takes as many more runs to give up as it takes to decide.
        unsure = t / z
        return boundary.gives_up(self.h / unsure) * self.error * unsure, t * self.error


def decide(
    ours: Sequence[Value],
    theirs: Sequence[Value],
    noise: Noise | None,
    *,
    good: Direction | None,
    statistic: Statistic = Statistic.TAIL_MEAN,
    comparisons: float = 1,
    lacking: Lacking = Lacking.SEEDS,
) -> Verdict:
    """Whether our config is better than theirs.

    `noise`: what is known of the spread between seeds, these runs included; without it, what these runs tell
    (`lacking`: why it is not known). `good`: which
    direction is better; without it the answer is higher or lower. `comparisons`: among how many the error rate is divided.
    Only runs at the same step are compared, those with equal seeds as pairs where that has been shown to help.
    """
    alpha = ALPHA / comparisons

    def verdict(
        call: Call, basis: Basis, effect: float = math.nan, runs: tuple[int, int] = (0, 0), **more: object
    ) -> Verdict:
        return Verdict(call, basis, statistic, effect, runs, alpha=alpha, noise=noise, lacking=lacking, **more)  # type: ignore[arg-type]

    if not ours or not theirs:
        return verdict(Call.NOT_ENOUGH, Basis.MISSING, runs=(len(ours), len(theirs)))
    step = _common_step(ours, theirs)
    if step is None:
        return verdict(Call.NOT_ENOUGH, Basis.UNEQUAL_STEPS, _mean(ours) - _mean(theirs), (len(ours), len(theirs)))
    ours, theirs = ([each for each in side if each.step == step] for side in (ours, theirs))
    effect, runs = _mean(ours) - _mean(theirs), (len(ours), len(theirs))
    noise = noise or pooled([ours, theirs])
    if noise is None:
        return verdict(Call.NOT_ENOUGH, Basis.WITHIN_RUN, effect, runs)
    estimate, basis = _unpaired(runs, noise), Basis.UNPAIRED
    later = partial(_unpaired_later, runs, noise)
    differences = _differences(ours, theirs)
    if noise.pairs_well and len(differences) > 1:
        pairs = _paired(len(differences), noise)
        if pairs.error < estimate.error:
            estimate, basis, effect, runs = pairs, Basis.PAIRED, sum(differences) / len(differences), pairs.n
            later = partial(_paired_later, len(differences), noise)
    none, least = estimate.bounds(alpha)
    call = Call.NO_DIFFERENCE if abs(effect) <= none else Call.NOT_ENOUGH
    if abs(effect) >= least:
        call = _different(effect, good)
    return verdict(call, basis, effect, runs, interval=(effect - least, effect + least), _later=later)


def pairs_to_settle(effect: float, noise: Noise, comparisons: float) -> int:
    """How many runs of each of two configs settle it if their effect is `effect`."""
    later = ((n, _unpaired((n, n), noise, 2 * n)) for n in itertools.count(1))
    return _settled(later, ALPHA / comparisons, abs(effect))


def _settled(later: Iterator[tuple[int, _Estimate]], alpha: float, size: float) -> int:
    """The first number of runs with whose estimate an effect of `size` is no longer open.

    After the early looks, once closed it stays so; so the steps are doubled, and then halved.
    """
    passed: list[tuple[int, _Estimate]] = []

    def closed(at: int) -> bool:
        passed.extend(itertools.islice(later, max(0, at + 1 - len(passed))))
        none, least = passed[at][1].bounds(alpha)
        return not none < size < least

    at = 0
    while not closed(at) and min(passed[at][1].n) <= EARLY_LOOKS:
        at += 1
    before, step = at, 1
    while not closed(at):
        before, at, step = at, at + step, step * 2
    return passed[bisect.bisect_left(range(at), True, before, key=closed)][0]


def shared(round_: int, configs: int = 1) -> int:
    """Among how many comparisons a loop divides its error rate: for each of the `configs` that are new in a round, each
    compared with a base as it comes, or, without a number, for the round's one confirmation on fresh seeds.

    `1 / (1 * 2) + 1 / (2 * 3) + …` is 1: however many rounds follow, all comparisons of a loop together call an equal config
    better in at most ALPHA of loops. Half of that is for the confirmations.
    """
    return 2 * round_ * (round_ + 1) * max(1, configs)


MAIN = 0.8
"""Share of the error rate of comparisons of single runs that the main metric has; the other metrics divide the rest.

It decides what a loop comes to, so it should lose little: with 0.8 an effect takes about 4 % more runs to be shown, with a
half 12 %. The number of runs grows with the logarithm of what it is divided by, so the others lose less than it seems."""


def among_metrics(metric: str, keys: Sequence[str]) -> float:
    """By how much more the error rate is divided for a metric, because a loop shows verdicts in several.

    `keys`: the key metrics, the main one first. A metric that is none of them is taken for one more of the others.
    """
    if not keys or metric == keys[0]:
        return 1 / MAIN
    return len({*keys[1:], metric}) / (1 - MAIN)


def _different(effect: float, good: Direction | None) -> Call:
    if good is None:
        return Call.HIGHER if effect > 0 else Call.LOWER
    return Call.BETTER if (effect > 0) == (good == "high") else Call.WORSE


def _common_step(ours: Sequence[Value], theirs: Sequence[Value]) -> int | None:
    """The step at which most runs of both sides stand, of several the last; None without one at which both have a run."""
    mine, others = [each.step for each in ours], [each.step for each in theirs]
    both = set(mine) & set(others)
    return max(both, key=lambda step: (min(mine.count(step), others.count(step)), step)) if both else None


def _mean(values: Sequence[Value]) -> float:
    return sum(each.value / len(values) for each in values)


def _differences(ours: Sequence[Value], theirs: Sequence[Value]) -> list[float]:
    mine, others = by_seed(ours), by_seed(theirs)
    return [value - others[seed] for seed, value in mine.items() if seed in others]


def _unpaired(runs: tuple[int, int], noise: Noise, more: int = 0) -> _Estimate:
    width = math.sqrt(1 / runs[0] + 1 / runs[1])
    return _Estimate(runs, noise.sd * width, 1 / width, noise.dof + more, STEP)


def _paired(pairs: int, noise: Noise, more: int = 0) -> _Estimate:
    assert noise.pair_sd is not None
    # Two equal differences to the digit would make an effect of any size certain.
    step = min(noise.sd / noise.pair_sd, MOST_HELP) if noise.pair_sd else MOST_HELP
    return _Estimate(
        (pairs, pairs), noise.sd / step / math.sqrt(pairs), step * math.sqrt(pairs), noise.pair_dof + more, step
    )


MOST_HELP = 10.0
"""A difference between pairs is taken to vary at least a tenth as much as runs do."""


def _unpaired_later(runs: tuple[int, int], noise: Noise) -> Iterator[tuple[int, _Estimate]]:
    """The estimate after each further run, which the side with fewer gets. It is exhausted some time, so this is finite."""
    more, (mine, others) = 0, runs
    while True:
        more += 1
        mine, others = (mine + 1, others) if mine <= others else (mine, others + 1)
        yield more, _unpaired((mine, others), noise, more)


def _paired_later(pairs: int, noise: Noise) -> Iterator[tuple[int, _Estimate]]:
    more = 0
    while True:
        more += 1
        yield 2 * more, _paired(pairs + more, noise, more)
