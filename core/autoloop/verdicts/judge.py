"""Verdicts on the configs of a loop: which runs are replicates of each other, and how much their metrics vary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter, is_
from typing import Any

import msgspec

from autoloop.metrics import LOOKED_AT, MetricBook, for_runs
from autoloop.metrics.summary import mean
from autoloop.model import MetricSummary, Run, RunState, Standing, Summary
from autoloop.model.packed_metrics import PackedMetrics
from autoloop.verdicts.noise import Group, Noise, NoiseGap, Pool, Value, at_one_step, lacking_in
from autoloop.verdicts.verdict import Statistic, Verdict, among_metrics, decide, shared


class SharedResults:
    """Results shared by successive judges of a growing set of runs, so that each processes only new runs."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, Statistic], dict[str, tuple[list[Run], Group]]] = {}
        self._pools: dict[tuple[str, Statistic], Pool] = {}

    def groups(
        self,
        metric: str,
        statistic: Statistic,
        configs: Mapping[str, Mapping[str, Run]],
        values: Callable[[str, str], Iterator[Value]],
    ) -> list[Group]:
        """The group of each config, in order. `values`: returns a config's values in a metric."""
        known, found = self._groups.setdefault((metric, statistic), {}), list[Group]()
        for config, replicates in configs.items():
            runs = list(replicates.values())
            before, group = known.get(config, (None, None))
            if group is None or before is None or len(before) != len(runs) or not all(map(is_, before, runs)):
                group = Group(list(values(config, metric)))
                known[config] = runs, group
            found.append(group)
        return found

    def noise(self, metric: str, statistic: Statistic, groups: Sequence[Group]) -> Noise | None:
        return self._pools.setdefault((metric, statistic), Pool()).noise(groups)


class Judge:
    """Gives verdicts for one state of the runs; make a new judge when they change.

    `runs`: a loop's, in order of creation. `elsewhere`: replicates of its configs in other loops, which count too. Only
    finished runs count, and of several runs of one training with the same seed only the newest.
    """

    def __init__(
        self,
        runs: Iterable[Run],
        book: MetricBook,
        elsewhere: Iterable[Run] = (),
        statistic: Statistic = Statistic.TAIL_MEAN,
        keys: Sequence[str] | None = None,
        seen: SharedResults | None = None,
    ) -> None:
        """`keys`: the result of `judged_metrics`, needed if the runs are `reduced` and lack other metrics. `seen`: the
        shared results of judges of fewer of these runs."""
        self.book = book
        self.statistic = statistic
        self._configs: dict[str, dict[str, Run]] = {}
        """By config (its group, or else the hash of its training): its replicates by the hash of their training."""
        self._new: dict[str, int] = {}
        """The round in which each of the loop's configs was new."""
        self._first: dict[str, Run] = {}
        """The first finished run of each of the loop's configs."""
        mine = sorted(runs, key=attrgetter("round"))
        self._keys = judged_metrics(book, mine) if keys is None else keys
        self._mine = mine
        for run in mine:
            config = _config(run)
            self._new.setdefault(config, run.round)
            if run.state is RunState.FINISHED and run.summary:
                self._first.setdefault(config, run)
        for run in sorted([*elsewhere, *mine], key=attrgetter("loop", "round")):
            if run.state is RunState.FINISHED and run.summary:
                self._configs.setdefault(_config(run), {})[run.config_hash] = run
        self._news = Counter(self._new.values())
        """The number of new configs in each round."""
        self._seen = seen or SharedResults()
        self._noise: dict[str, Noise | None] = {}
        self._lacking: dict[str, NoiseGap] = {}

    def noise(self, metric: str) -> Noise | None:
        """The noise of a metric between seeds; None if it is unknown."""
        if metric not in self._noise:
            self._noise[metric] = self._seen.noise(metric, self.statistic, self._groups(metric))
        return self._noise[metric]

    def lacking(self, metric: str) -> NoiseGap:
        """Why the noise of a metric is unknown. Only valid if `noise` is None."""
        if metric not in self._lacking:
            self._lacking[metric] = lacking_in(self._groups(metric))
        return self._lacking[metric]

    def replicates(self, run: Run) -> list[Run]:
        """The finished runs of a run's config, including itself if it has finished."""
        return list(self._configs.get(_config(run), {}).values())

    def standings(self, metric: str) -> dict[str, Standing]:
        """The mean of each of the loop's configs over its finished runs that have the metric, at the step that most of them
        reached. Keys are the ids of the configs' first finished runs, in their order."""
        found: dict[str, Standing] = {}
        for config, run in self._first.items():
            if values := [each.value for each in at_one_step(list(self._values(config, metric)))]:
                found[run.id] = Standing(run=run.id, value=mean(values), runs=len(values))
        return found

    def first(self, run: Run) -> Run | None:
        """The first finished run of a run's config."""
        return self._first.get(_config(run))

    def between(self, ours: Run, theirs: Run, metric: str) -> Verdict | None:
        """The verdict on the config of one run against that of another, from all finished runs of both.

        None if one of the two runs has not finished, or if they are replicates of each other. The error rate is divided over
        rounds, configs and metrics, so that it holds for all such verdicts of a loop together. A pair of configs has one
        share of it, that of the round in which the later one was new: a replicate in another round is one more look at the
        same comparison, which the sequential test allows for. So the verdict is the same for any two runs of these configs.
        """
        mine, others = _config(ours), _config(theirs)
        if mine == others or any(run.state is not RunState.FINISHED for run in (ours, theirs)):
            return None
        round_ = max(self._new.get(mine, ours.round), self._new.get(others, theirs.round))
        noise = self.noise(metric)
        return decide(
            list(self._values(mine, metric)),
            list(self._values(others, metric)),
            noise,
            good=self.book.direction(metric),
            statistic=self.statistic,
            comparisons=shared(round_, self._news[round_]) * among_metrics(metric, self._keys),
            lacking=NoiseGap.SEEDS if noise else self.lacking(metric),
        )

    def same(self, ours: Run, theirs: Run) -> bool:
        """Whether two runs are replicates of one config."""
        return _config(ours) == _config(theirs)

    def explored(self, ours: Run, theirs: Run, metric: str) -> Verdict:
        """The verdict that made one config look better than another: from all runs of both except those confirming it."""
        return self._decided(ours, theirs, metric, lambda run: not self._is_for(run, ours), 1)

    def confirmed(self, contender: Run, baseline: Run, metric: str, number: int) -> Verdict:
        """The verdict on `contender` against the baseline from the runs on fresh seeds that were made to confirm it.
        `number`: the number of this confirmation in the loop, from 1."""
        return self._decided(contender, baseline, metric, lambda run: self._is_for(run, contender), shared(number))

    @cached_property
    def _config_of(self) -> dict[str, str]:
        """The config of each run, by the run's id."""
        return {run.id: _config(run) for run in self._mine}

    def _is_for(self, run: Run, contender: Run) -> bool:
        return run.confirms is not None and self._config_of.get(run.confirms) == _config(contender)

    def _decided(self, ours: Run, theirs: Run, metric: str, mine: Callable[[Run], bool], comparisons: int) -> Verdict:
        noise = self.noise(metric)
        return decide(
            list(self._values(_config(ours), metric, mine)),
            list(self._values(_config(theirs), metric, mine)),
            noise,
            good=self.book.direction(metric),
            statistic=self.statistic,
            comparisons=comparisons,
            lacking=NoiseGap.SEEDS if noise else self.lacking(metric),
        )

    def _groups(self, metric: str) -> list[Group]:
        return self._seen.groups(metric, self.statistic, self._configs, self._values)

    def _values(self, config: str, metric: str, counts: Callable[[Run], bool] = lambda _: True) -> Iterator[Value]:
        for run in filter(counts, self._configs.get(config, {}).values()):
            found = run.summary.metrics.get(metric) if run.summary else None
            value = None if found is None else _value(found, self.statistic)
            if found is not None and value is not None:
                yield Value(value, found.last_step, run.seed)


def judged_metrics(book: MetricBook, runs: Sequence[Run]) -> list[str]:
    """Return the key metrics that finished runs of a loop have, the main one (the first with a known direction) first."""
    finished = [run for run in runs[-LOOKED_AT:] if run.state is RunState.FINISHED and run.summary]
    has = set[str]().union(*(run.summary.metrics for run in finished if run.summary))
    keys = [key for key in for_runs(book, finished).key_metrics if key in has]
    return sorted(keys, key=lambda key: book.direction(key) is None)  # stable: otherwise the order is kept


UNNEEDED: dict[str, Any] = {
    **{name: [] for name in ("changes", "notes", "sources")},
    **{name: None for name in ("unjudged", "halved", "wandb_id", "wandb_url", "wandb_sync")},
}
"""Fields that neither verdicts nor new runs of a config need, with empty values."""


def reduced(runs: Iterable[Run], wanted: Collection[str] | None) -> Iterator[Run]:
    """Yield the runs, reduced to what a judge needs, because a loop may have thousands. `wanted`: the canonical names of the
    metrics to keep; None for all."""
    for run in runs:
        summary = run.summary
        if summary is not None and wanted is not None:
            # A metric that the book does not know may have the prefix `train/` in the run.
            names = [name for each in wanted for name in (each, f"train/{each}") if name in summary.metrics]
            kept = PackedMetrics({name: summary.metrics[name] for name in names})
            summary = Summary(metrics=kept, steps=summary.steps)
        yield msgspec.structs.replace(run, summary=summary, **UNNEEDED)


def _config(run: Run) -> str:
    return run.group or run.config_hash


def _value(metric: MetricSummary, statistic: Statistic) -> float | None:
    if statistic is Statistic.LAST:
        return metric.last
    return metric.best if statistic is Statistic.BEST else metric.tail_mean
