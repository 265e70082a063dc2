"""Decides whether one config is better than another, from one or more runs of each. No other module decides this."""

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
from autoloop.verdicts.noise import Noise, NoiseGap, Value, by_seed, pooled

ALPHA = 0.05
"""The rate at which equal configs are called "better", for any number of looks; "worse" has the same rate."""


class Statistic(StrEnum):
    """The statistic of a metric that represents a run."""

    TAIL_MEAN = "tail mean"
    LAST = "last"
    BEST = "best"


class Basis(StrEnum):
    """The basis of a verdict."""

    PAIRED = "paired by seed"
    UNPAIRED = "unpaired"
    WITHIN_RUN = "within the run only"
    """The noise between seeds is unknown, so nothing can be decided; usually no config was run with two seeds."""
    UNEQUAL_STEPS = "not at equal steps"
    MISSING = "no value"
    """One of the two has no run with this metric."""


@dataclass(frozen=True)
class Verdict:
    """A verdict on our config against theirs. `effect`: ours minus theirs, in the metric's unit; NaN if a side has no value.
    `interval`: the interval of the true effect, valid when checked after every run (each end is wrong in at most `alpha` of
    cases); None if the noise is unknown. `runs`: the numbers of our and their runs that count."""

    call: Call
    basis: Basis
    statistic: Statistic
    effect: float
    runs: tuple[int, int]
    interval: tuple[float, float] | None = None
    noise: Noise | None = None
    lacking: NoiseGap = NoiseGap.SEEDS
    """Why the noise is unknown; meaningless if it is known."""
    alpha: float = ALPHA
    _later: partial[Iterator[tuple[int, _Estimate]]] | None = field(default=None, repr=False, compare=False)
    """Returns the estimates after further runs."""

    @cached_property
    def more(self) -> int | None:
        """The number of further runs, of both configs together, that would settle it if the true effect equals `effect`;
        None if unknown, 0 if it is settled. Computed on first use, because it takes longer than the verdict."""
        if self._later is None:
            return None
        return _settled(self._later(), self.alpha, abs(self.effect)) if self.call is Call.NOT_ENOUGH else 0


@dataclass(frozen=True)
class _Estimate:
    """The precision of an effect from `n` runs of each side. `error`: its standard error; `h`: the z of an effect of one
    spread; `step`: the h of one more run of each side."""

    n: tuple[int, int]
    error: float
    h: float
    dof: int
    step: float

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - an estimate is a few numbers, and equal ones recur in every verdict
    def bounds(self, alpha: float) -> tuple[float, float]:
        """The largest effect that counts as no difference (below 0: too early for that), and the least that decides."""
        boundary = Boundary(alpha, self.step)
        z = boundary.decides(self.h, min(self.n))
        t = -student_quantile(normal_cdf(-z), self.dof)
        # With few degrees of freedom the spread is uncertain: giving up needs more runs by the same factor as deciding.
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
    lacking: NoiseGap = NoiseGap.SEEDS,
) -> Verdict:
    """Return the verdict on our config against theirs.

    `noise`: the known spread between seeds, including these runs; without it, the spread of these runs is used (`lacking`:
    why it is unknown). `good`: the better direction; without it the call is higher or lower. `comparisons`: the number of
    comparisons that share the error rate. Only runs at the same step are compared, and runs with equal seeds as pairs if
    that has been shown to help.
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
    """Return the number of runs of each of two configs that settles a comparison with this effect."""
    later = ((n, _unpaired((n, n), noise, 2 * n)) for n in itertools.count(1))
    return _settled(later, ALPHA / comparisons, abs(effect))


def _settled(later: Iterator[tuple[int, _Estimate]], alpha: float, size: float) -> int:
    """Return the first number of runs with which an effect of `size` is decided or given up.

    After the early looks a closed comparison stays closed, so the search doubles its steps and then bisects.
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
    """Return the number by which a loop's error rate is divided: for each of the `configs` new in a round, which is compared
    with its base, or, without `configs`, for the confirmation on fresh seeds with the number `round_`.

    `1 / (1 * 2) + 1 / (2 * 3) + …` is 1, so for any number of rounds all comparisons of a loop together call an equal config
    better in at most ALPHA of loops. Half of that is reserved for confirmations.
    """
    return 2 * round_ * (round_ + 1) * max(1, configs)


MAIN = 0.8
"""The main metric's share of the error rate of comparisons outside confirmations; the other metrics share the rest.

The main metric decides a loop's outcome, so it should lose little: with a share of 0.8, showing an effect takes about 4 %
more runs, with 0.5 about 12 %. The number of runs grows only with the logarithm of the divisor, so the other metrics lose
less than it seems."""


def among_metrics(metric: str, keys: Sequence[str]) -> float:
    """Return the further divisor of the error rate for a metric, because a loop shows verdicts in several metrics.

    `keys`: the key metrics, the main one first. A metric that is not among them counts as one more of the others.
    """
    if not keys or metric == keys[0]:
        return 1 / MAIN
    return len({*keys[1:], metric}) / (1 - MAIN)


def _different(effect: float, good: Direction | None) -> Call:
    if good is None:
        return Call.HIGHER if effect > 0 else Call.LOWER
    return Call.BETTER if (effect > 0) == (good == "high") else Call.WORSE


def _common_step(ours: Sequence[Value], theirs: Sequence[Value]) -> int | None:
    """The step that most runs of both sides reached; of several such steps, the last. None if they have none in common."""
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
    # If the differences are exactly equal, an effect of any size would be certain.
    step = min(noise.sd / noise.pair_sd, MOST_HELP) if noise.pair_sd else MOST_HELP
    return _Estimate(
        (pairs, pairs), noise.sd / step / math.sqrt(pairs), step * math.sqrt(pairs), noise.pair_dof + more, step
    )


MOST_HELP = 10.0
"""The largest gain from pairing: differences between pairs are assumed to vary at least a tenth as much as runs do."""


def _unpaired_later(runs: tuple[int, int], noise: Noise) -> Iterator[tuple[int, _Estimate]]:
    """Yield the estimate after each further run, given to the side with fewer runs, without end."""
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
