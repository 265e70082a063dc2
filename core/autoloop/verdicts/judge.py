"""Verdicts between the runs of a loop: which runs are replicates of each other, and how much their metrics vary."""

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
from autoloop.verdicts.noise import Group, Lacking, Noise, Pool, Value, at_one_step, lacking_in
from autoloop.verdicts.verdict import Statistic, Verdict, among_metrics, decide, shared


class Seen:
    """What judges of ever more of the same runs have found, so that each looks at what is new only."""

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
        """Of each config in its order; `values` are those of a config in a metric."""
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
    """Answers for one state of the runs; make a new one when they change.

    `runs` are a loop's in the order in which they were made, `elsewhere` replicates of its configs in other loops: what was
    measured on the same base before counts. Only finished runs do. Of a training that ran twice with the same seed the
    newest counts.
    """

    def __init__(
        self,
        runs: Iterable[Run],
        book: MetricBook,
        elsewhere: Iterable[Run] = (),
        statistic: Statistic = Statistic.TAIL_MEAN,
        keys: Sequence[str] | None = None,
        seen: Seen | None = None,
    ) -> None:
        """`keys`: as `judged_metrics` has them, where the runs are `reduced` and do not tell. `seen`: by judges of fewer of
        these runs."""
        self.book = book
        self.statistic = statistic
        self._configs: dict[str, dict[str, Run]] = {}
        """By config (its group, else the hash of a training), its replicates by the hash of the training."""
        self._new: dict[str, int] = {}
        """Of each of the loop's configs the round in which it was new."""
        self._first: dict[str, Run] = {}
        """Of each of the loop's configs the first run that has finished."""
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
        """How many configs were new in each round."""
        self._seen = seen or Seen()
        self._noise: dict[str, Noise | None] = {}
        self._lacking: dict[str, Lacking] = {}

    def noise(self, metric: str) -> Noise | None:
        """The spread between seeds of a metric; None without replicates."""
        if metric not in self._noise:
            self._noise[metric] = self._seen.noise(metric, self.statistic, self._groups(metric))
        return self._noise[metric]

    def lacking(self, metric: str) -> Lacking:
        """Why the noise of a metric is not known, where it is not."""
        if metric not in self._lacking:
            self._lacking[metric] = lacking_in(self._groups(metric))
        return self._lacking[metric]

    def replicates(self, run: Run) -> list[Run]:
        """The finished runs of its config, itself included."""
        return list(self._configs.get(_config(run), {}).values())

    def standings(self, metric: str) -> dict[str, Standing]:
        """Of each config of the loop the mean over its finished runs that have the metric, at the step where most of them
        stand, by its first run that has finished, in the order of those."""
        found: dict[str, Standing] = {}
        for config, run in self._first.items():
            if values := [each.value for each in at_one_step(list(self._values(config, metric)))]:
                found[run.id] = Standing(run=run.id, value=mean(values), runs=len(values))
        return found

    def first(self, run: Run) -> Run | None:
        """The first run of a run's config that has finished."""
        return self._first.get(_config(run))

    def between(self, ours: Run, theirs: Run, metric: str) -> Verdict | None:
        """Whether the config of one run is better than that of another, by all finished runs of both.

        None where one of them has not finished, and of two replicates. The error rate is divided over rounds, configs and
        metrics, so that it holds for all such verdicts of a loop together. Two configs have one share of it, that of the
        round in which the later one was new: a replicate in another round looks again at the same comparison, which the
        sequential test allows for already, and whichever runs of the two are asked about, the verdict is the same.
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
            lacking=Lacking.SEEDS if noise else self.lacking(metric),
        )

    def same(self, ours: Run, theirs: Run) -> bool:
        """Whether two runs are replicates of one config."""
        return _config(ours) == _config(theirs)

    def explored(self, ours: Run, theirs: Run, metric: str) -> Verdict:
        """What made one config look better than another: all runs of both, but for those that were made to confirm it."""
        return self._decided(ours, theirs, metric, lambda run: not self._is_for(run, ours), 1)

    def confirmed(self, contender: Run, baseline: Run, metric: str, number: int) -> Verdict:
        """What the runs say that were made to confirm `contender`, on fresh seeds, beside those of the baseline that ran
        with them. `number`: the how manieth confirmation of the loop it is, from 1."""
        return self._decided(contender, baseline, metric, lambda run: self._is_for(run, contender), shared(number))

    @cached_property
    def _config_of(self) -> dict[str, str]:
        """By run."""
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
            lacking=Lacking.SEEDS if noise else self.lacking(metric),
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
    """The key metrics that finished runs of a loop have, the main one first: the first whose better direction is known."""
    finished = [run for run in runs[-LOOKED_AT:] if run.state is RunState.FINISHED and run.summary]
    has = set[str]().union(*(run.summary.metrics for run in finished if run.summary))
    keys = [key for key in for_runs(book, finished).key_metrics if key in has]
    return sorted(keys, key=lambda key: book.direction(key) is None)  # stable: else in their order


UNNEEDED: dict[str, Any] = {
    **{name: [] for name in ("changes", "notes", "sources")},
    **{name: None for name in ("unjudged", "halved", "wandb_id", "wandb_url", "wandb_sync")},
}
"""What neither verdicts nor new runs of a config need."""


def reduced(runs: Iterable[Run], wanted: Collection[str] | None) -> Iterator[Run]:
    """The runs with no more of each than a judge needs: a loop may have had thousands. `wanted`: the metrics that it may be
    asked about, by canonical name; None for all."""
    for run in runs:
        summary = run.summary
        if summary is not None and wanted is not None:
            # In a run's own names: a metric that a book does not know may stand there with `train/`.
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
