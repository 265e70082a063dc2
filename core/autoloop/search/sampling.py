"""Asks Optuna for the points to try next, given the results so far. Imports Optuna; see `process.py`.

Each config is reported to Optuna with the mean over its seeds; the Gaussian process, which estimates noise, gets every run.
"""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from autoloop.configs import same
from autoloop.configs.text import is_number
from autoloop.model import Axis, Sampler
from autoloop.search.question import Answer, How, Point, ProposedPoint, Question, key_of

FIRST = 5
"""The least number of known configs for a model."""
COUNTED = 10_000
"""Spaces with at most this many configs are enumerated, and searched exhaustively."""
TRIES = 20
"""The number of suggestions of known points after which another point is chosen."""
MOST_RUNS = {Sampler.TPE: 1000, Sampler.GP: 100, Sampler.QMC: 0}
"""The number of newest results that are reported: a Gaussian process takes time that grows with the cube of it."""
DIGITS = 3
"""Significant digits of a value; if its range is not logarithmic, relative to the width of the range."""


def answer(question: Question) -> Answer:
    """Return the next points to try, without repeats and without points that have been run; fewer than requested if no more
    are left."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    axes, sampler = question.axes, question.search.sampler
    dimensions = [_Dimension(axis, optuna.distributions) for axis in axes]
    known = {key_of(each.point) for each in question.tried} | {key_of(point) for point in question.taken}
    size = math.prod(each.size for each in dimensions)
    left = [point for point in _all(dimensions) if key_of(point) not in known] if size <= COUNTED else None
    study, how = _study(question, dimensions, optuna)
    chance = random.Random(question.seed)
    distributions = {each.axis.path: each.distribution for each in dimensions}
    tries = len(known) + TRIES if sampler is Sampler.QMC else TRIES
    proposed: list[ProposedPoint] = []

    while len(proposed) < question.count and left != []:
        found: ProposedPoint | None = None
        for _ in range(tries):
            trial = study.ask(distributions)
            point = [each.value_of(trial.params[each.axis.path]) for each in dimensions]
            if key_of(point) not in known:
                found = ProposedPoint(point=point, how=how)
                break
        if found is None and left is not None:
            found = ProposedPoint(point=chance.choice(left), how=How.LEFT)
        if found is None:
            found = _somewhere(dimensions, known, chance, optuna)
        if found is None:
            break
        proposed.append(found)
        known.add(key_of(found.point))
        if left is not None:
            left = [point for point in left if key_of(point) not in known]
    return Answer(proposed=proposed, left=None if left is None else len(left), version=optuna.__version__)


class _Dimension:
    """An axis as an Optuna distribution. Listed values are represented by their index; numbers are sorted first."""

    def __init__(self, axis: Axis, kinds: Any) -> None:
        self.axis = axis
        ordered = len(axis.values) > 2 and all(map(is_number, axis.values))
        self.values = sorted(axis.values) if ordered else axis.values
        low, high, step = axis.low or 0, axis.high or 0, axis.step
        self.size: float = math.inf
        self.distribution: Any
        if self.values:
            self.size = len(self.values)
            last = len(self.values) - 1
            self.distribution = kinds.IntDistribution(0, last) if ordered else kinds.CategoricalDistribution(range(last + 1))
        elif axis.whole:
            self.size = (high - low) // (step or 1) + 1
            self.distribution = kinds.IntDistribution(int(low), int(high), log=axis.log, step=int(step or 1))
        else:
            if step is not None:
                self.size = math.floor((high - low) / step + 1e-9) + 1
            self.distribution = kinds.FloatDistribution(low, high, log=axis.log, step=step)

    def value_of(self, told: Any) -> Any:
        if self.values:
            return self.values[told]
        if self.axis.whole:
            return int(told)
        low, high = float(self.axis.low or 0), float(self.axis.high or 0)
        if self.axis.step is not None:
            return float(f"{told:.10g}")
        places = DIGITS - 1 - math.floor(math.log10(high - low))
        rounded = float(f"{told:.{DIGITS}g}") if self.axis.log else round(told, places)
        return min(high, max(low, rounded))

    def told(self, value: Any) -> Any:
        """Return Optuna's representation of a value; None for a value that is not on a step."""
        if self.values:
            return next(place for place, each in enumerate(self.values) if same(each, value))
        low, step = self.axis.low or 0, self.axis.step
        if step is not None and abs((value - low) / step - round((value - low) / step)) > 1e-6:
            return None
        return int(value) if self.axis.whole else float(value)

    def all(self) -> Iterator[Any]:
        if self.values:
            yield from self.values
            return
        for place in range(int(self.size)):
            value = (self.axis.low or 0) + place * (self.axis.step or 1)
            yield int(value) if self.axis.whole else float(f"{value:.10g}")


def _study(question: Question, dimensions: Sequence[_Dimension], optuna: Any) -> tuple[Any, How]:
    sampler, how = _sampler(question, optuna)
    study = optuna.create_study(direction="minimize" if question.good == "low" else "maximize", sampler=sampler)
    distributions = {each.axis.path: each.distribution for each in dimensions}
    if how is How.SPREAD:  # this sampler ignores results, and takes the space from an earlier trial
        lowest = {each.axis.path: next(each.all()) if each.values else each.axis.low for each in dimensions}
        rows = [([lowest[each.axis.path] for each in dimensions], 0.0)]
    else:
        rows = _rows(question)
    for point, value in rows:
        told = {each.axis.path: each.told(one) for each, one in zip(dimensions, point, strict=True)}
        if None not in told.values():
            study.add_trial(optuna.trial.create_trial(params=told, distributions=distributions, value=value))
    return study, how


def _rows(question: Question) -> list[tuple[Point, float]]:
    finished = [each for each in question.tried if each.values]
    if not finished:
        return []
    worst = (max if question.good == "low" else min)(each.value for each in finished)
    by_run = question.search.sampler is Sampler.GP
    rows: list[tuple[Point, float]] = []
    for each in question.tried:
        values = each.values if by_run else [each.value] if each.values else []
        rows += [(each.point, value) for value in values or ([worst] if each.failed else [])]
    return rows[-MOST_RUNS[question.search.sampler] :]


def _sampler(question: Question, optuna: Any) -> tuple[Any, How]:
    seed = question.seed
    if question.search.sampler is Sampler.QMC:
        return optuna.samplers.QMCSampler(scramble=True, seed=seed), How.SPREAD
    if sum(bool(each.values) for each in question.tried) < FIRST:
        return optuna.samplers.RandomSampler(seed=seed), How.RANDOM
    if question.search.sampler is Sampler.GP:
        return optuna.samplers.GPSampler(n_startup_trials=1, seed=seed), How.MODEL
    return optuna.samplers.TPESampler(n_startup_trials=1, multivariate=True, constant_liar=True, seed=seed), How.MODEL


def _somewhere(
    dimensions: Sequence[_Dimension], known: set[Any], chance: random.Random, optuna: Any
) -> ProposedPoint | None:
    """A random point that has not been run; None if none was found, because hardly any is left."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=chance.randrange(2**31)))
    for _ in range(len(known) + TRIES):
        trial = study.ask({each.axis.path: each.distribution for each in dimensions})
        point = [each.value_of(trial.params[each.axis.path]) for each in dimensions]
        if key_of(point) not in known:
            return ProposedPoint(point=point, how=How.LEFT)
    return None


def _all(dimensions: Sequence[_Dimension]) -> Iterator[Point]:
    return map(list, itertools.product(*(each.all() for each in dimensions)))
