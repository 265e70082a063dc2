"""Exact pairs: two configs that differ in one value, and their results. Nothing is estimated, so few runs are enough."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from autoloop.effects.trained import Config, TrainedRun, comparable, configs_of
from autoloop.metrics import Direction
from autoloop.verdicts import Noise, NoiseGap, Value, Verdict, decide, lacking, pooled

MISSING = object()


@dataclass(frozen=True)
class Pair:
    """One value of a config changed from `before` to `after` (MISSING if the config lacks the key). `first` was trained
    first; `verdict` compares `second` with it, and `means` are the metric of both."""

    path: str
    before: Any
    after: Any
    first: Config
    second: Config
    means: tuple[float, float]
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """All exact pairs of some runs by one metric. `noise`: the spread between seeds of each cohort in which it is known;
    `lacking`: why it is known in none."""

    metric: str
    pairs: Sequence[Pair]
    configs: int
    runs: int
    noise: Sequence[Noise]
    lacking: NoiseGap


def compare(runs: Sequence[TrainedRun], metric: str, good: Direction | None) -> Comparison:
    """Compare all exact pairs. Pairs with a shown difference come first, then larger effects.

    If several configs differ only in the same key, each is compared with the one that was trained first. All verdicts share
    one error rate: the more pairs there are, the more evidence each needs.
    """
    cohorts: dict[Hashable, list[TrainedRun]] = defaultdict(list)
    for run in runs:
        if metric in run.summary.metrics and metric not in run.summary.not_finite:
            cohorts[run.cohort].append(run)
    found: list[tuple[str, Config, Config, Noise | None]] = []
    noises: list[Noise] = []
    groups: list[list[Value]] = []
    configs = 0
    for members in cohorts.values():
        trained = configs_of(members)
        configs += len(trained)
        own = [_values(each, metric) for each in trained]
        noise = pooled(own)
        groups += own
        noises += [noise] if noise else []
        found += [(path, first, second, noise) for path, first, second in _differing_in_one(trained)]
    pairs = [_pair(*each, metric=metric, good=good, comparisons=len(found)) for each in found]
    pairs.sort(key=lambda pair: (not pair.verdict.call.decided, -_size(pair)))
    return Comparison(metric, pairs, configs, sum(map(len, cohorts.values())), noises, lacking(groups))


def _differing_in_one(configs: Sequence[Config]) -> Iterator[tuple[str, Config, Config]]:
    """(path, the config that was trained first, another one) for all configs that differ only in that path."""
    values = [{path: comparable(value) for path, value in config.leaves.items()} for config in configs]
    paths = sorted({path for each in values for path in each})
    varying = [path for path in paths if len({each.get(path, MISSING) for each in values}) > 1]
    rows = [tuple(each.get(path, MISSING) for path in varying) for each in values]
    for column, path in enumerate(varying):
        alike: dict[Hashable, list[Config]] = defaultdict(list)
        for config, row in zip(configs, rows, strict=True):
            alike[row[:column] + row[column + 1 :]].append(config)
        for first, *others in alike.values():
            yield from ((path, first, other) for other in others)


def _pair(
    path: str,
    first: Config,
    second: Config,
    noise: Noise | None,
    *,
    metric: str,
    good: Direction | None,
    comparisons: int,
) -> Pair:
    ours, theirs = _values(second, metric), _values(first, metric)
    verdict = decide(ours, theirs, noise, good=good, comparisons=comparisons)
    means = tuple(sum(each.value for each in side) / len(side) for side in (theirs, ours))
    before, after = first.leaves.get(path, MISSING), second.leaves.get(path, MISSING)
    return Pair(path, before, after, first, second, (means[0], means[1]), verdict)


def _values(config: Config, metric: str) -> list[Value]:
    """For each run, the mean of the last fifth of the metric's points."""
    reached = [(run, run.summary.metrics[metric]) for run in config.runs]
    return [Value(summary.tail_mean, summary.last_step, config.seed_of(run)) for run, summary in reached]


def _size(pair: Pair) -> float:
    effect = abs(pair.means[1] - pair.means[0])
    return effect / pair.verdict.noise.sd if pair.verdict.noise else effect
