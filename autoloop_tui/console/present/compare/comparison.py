"""Comparison of runs: which parameters differ, how each metric compares with the first run, and which run leads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from autoloop.configs import same
from autoloop.configs.changes import OBSERVING
from autoloop.metrics import MetricBook
from autoloop.model import MetricSummary, Run, RunState
from autoloop.verdicts import Call, Verdict

from autoloop_tui.console.present.metric_delta import Delta, against
from autoloop_tui.console.present.rounds.rows import best_of

MOST_BY_DEFAULT = 4
"""Number of runs compared if none is marked."""


class _Absent:
    """The type of ABSENT: the key is not in this config."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


class Parameter(NamedTuple):
    """A path in the configs. `values`: one per run, ABSENT if it has no such path. `observing`: the parameter names or
    monitors the run and does not affect the training."""

    path: str
    values: list[Any]
    differs: bool
    observing: bool


class Comparison(NamedTuple):
    """A metric of several runs. `deltas`: against the first run that has it. `first`: index of the leading run in the better
    direction; None if only one run has the metric, if the values are equal or at different steps, or if the direction is
    unknown. `best`: the leading config has been shown to be better than the second; `even`: no difference between the two
    was found."""

    metric: str
    values: list[MetricSummary | None]
    deltas: list[Delta | None]
    first: int | None
    best: bool = False
    even: bool = False


VerdictOn = Callable[[int, int, str], Verdict | None]
"""For two run indexes and a metric: whether the config of the first is better."""


def parameters(configs: Sequence[Mapping[str, Any] | None]) -> list[Parameter]:
    """Return all paths of the flattened configs in the order of the first; a config is None if it cannot be read.

    Paths that only name or monitor a run come last.
    """
    known = [config for config in configs if config is not None]
    found = []
    for path in dict.fromkeys(path for config in known for path in config):
        values = [ABSENT if config is None else config.get(path, ABSENT) for config in configs]
        mine = [value for value, config in zip(values, configs, strict=True) if config is not None]
        differs = any(not equal(mine[0], value) for value in mine[1:])
        found.append(Parameter(path, values, differs, path.partition(".")[0] in OBSERVING))
    return sorted(found, key=lambda each: each.observing)


def equal(a: Any, b: Any) -> bool:
    if a is ABSENT or b is ABSENT:
        return a is b
    return same(a, b)


def compare_metrics(
    runs: Sequence[Mapping[str, MetricSummary]], book: MetricBook, verdict: VerdictOn = lambda *_: None
) -> list[Comparison]:
    """Compare every metric: the book's key metrics, then those that several runs have, then those of a single run."""
    names = {name for metrics in runs for name in metrics}
    key = [name for name in book.key_metrics if name in names]
    held = {name: sum(name in metrics for metrics in runs) for name in names}
    rest = sorted(names.difference(key), key=lambda name: (held[name] < min(2, len(runs)), name))
    return [_compare(name, [metrics.get(name) for metrics in runs], book, verdict) for name in [*key, *rest]]


def _compare(name: str, values: list[MetricSummary | None], book: MetricBook, verdict: VerdictOn) -> Comparison:
    good = book.direction(name)
    first = next((place for place, value in enumerate(values) if value is not None), 0)
    base = values[first]
    deltas = [
        None if value is None or base is None or place == first else against(value, base, verdict(place, first, name))
        for place, value in enumerate(values)
    ]
    ranked = sorted(((value.last, place) for place, value in enumerate(values) if value is not None), reverse=good == "high")
    if good is None or len(ranked) < 2:
        return Comparison(name, values, deltas, None)
    leader, second = ranked[0][1], ranked[1][1]
    ours, theirs = values[leader], values[second]
    assert ours is not None
    assert theirs is not None
    two = against(ours, theirs, verdict(leader, second, name))
    if not two.fair or ours.last == theirs.last:
        return Comparison(name, values, deltas, None, even=two.fair)
    return Comparison(name, values, deltas, leader, two.call is Call.BETTER, two.call is Call.NO_DIFFERENCE)


def default_runs(runs: Sequence[Run], book: MetricBook) -> list[str]:
    """Return the ids of the runs to compare if none is marked: the leader of the newest round, its base, and the last
    finished runs."""
    finished = [run for run in runs if run.state is RunState.FINISHED]
    if not finished:
        return []
    newest = max(run.round for run in finished)
    mine = [run for run in finished if run.round == newest]
    best = next((found[1] for key in book.key_metrics if (found := best_of(mine, key, book))), mine[0])
    last = sorted(finished, key=lambda run: -run.round)
    wanted = [best.id, *([best.base_run] if best.base_run else []), *(run.id for run in last)]
    known = {run.id for run in runs}
    return [run for run in dict.fromkeys(wanted) if run in known][:MOST_BY_DEFAULT]
