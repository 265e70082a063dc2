"""Group runs that differ only in the seed as one config.

The noise between seeds is often larger than the effect of an edit, so rules judge the mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from autoloop.metrics.gpu import mean_use
from autoloop.metrics.summary import mean
from autoloop.model import MetricSummary, Run, Summary
from autoloop.text.plural import plural


class ConfigSummary(msgspec.Struct, frozen=True):
    """One config as rules judge it: its `runs`, one or more per seed, and the `summary` of their results.

    With several runs, every statistic of the summary is the mean over those that have the metric.
    """

    runs: tuple[Run, ...]
    summary: Summary

    @property
    def run(self) -> Run:
        """The run that represents all of them."""
        return self.runs[0]

    @property
    def name(self) -> str:
        """`lr=1e-3,seed=1 (ab12cd34)`; for several runs `lr=1e-3 (ab12cd34, mean of 3 runs over seeds)`."""
        if len(self.runs) == 1:
            return f"{self.run.name} ({self.run.id})"
        return f"{config_name(self.run)} ({self.run.id}, mean of {plural(len(self.runs), 'run')} over seeds)"


def config_name(run: Run) -> str:
    """The name of a run's config, which is the run's name without the seed: `lr=1e-3` for `lr=1e-3,seed=2`, and
    `lr=1e-3_r2_5` for `lr=1e-3,seed=2_r2_5`; `base` if nothing else is left."""
    if not run.group or not run.seed:
        return run.name
    # Splitting at commas is safe: list values have none in a name.
    parts = re.match(r"(?P<given>.*?)(?P<made>(-\d+)?(_r\d+_\d+)?)$", run.name, re.DOTALL)
    assert parts is not None
    given = [part for part in parts["given"].split(",") if not _is_seed(part, run.seed)]
    return (",".join(given) or "base") + parts["made"]


def _is_seed(part: str, seed: str) -> bool:
    key, _, value = part.partition("=")
    return key.endswith("seed") and value == seed


def config_label(run: Run, seeds: int) -> str:
    """`lr=1e-3 (ab12cd34, 3 seeds)`: a config by its first run and number of runs; for a single run, that run."""
    return f"{config_name(run)} ({run.id}, {seeds} seeds)" if seeds > 1 else f"{run.name} ({run.id})"


def by_config(runs: Sequence[Run]) -> list[tuple[Run, ...]]:
    """The runs, grouped if they differ only in the seed, in the order of each group's first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.group or run.id, []).append(run)
    found: list[tuple[Run, ...]] = []
    for group in groups.values():
        several = len({run.config_hash for run in group}) > 1  # otherwise it is the same training several times
        found += [tuple(group)] if several else [(run,) for run in group]
    return found


def over_seeds(runs: Sequence[Run]) -> list[ConfigSummary]:
    """The finished `runs`, grouped by config as rules judge them."""
    return [ConfigSummary(group, mean_summary([run.summary or Summary() for run in group])) for group in by_config(runs)]


def mean_summary(summaries: Sequence[Summary]) -> Summary:
    """Combine one or more summaries: every statistic is the mean over those that have the metric."""
    if len(summaries) == 1:
        return summaries[0]
    names = dict.fromkeys(name for each in summaries for name in each.metrics)
    bad = {name: max(each.in_a_row.get(name, 0) for each in summaries) for each in summaries for name in each.not_finite}
    return Summary(
        metrics={name: _mean_of([each.metrics[name] for each in summaries if name in each.metrics]) for name in names},
        steps=min(each.steps for each in summaries),
        not_finite=list(bad),
        infinite=list(dict.fromkeys(name for each in summaries for name in each.infinite)),
        in_a_row={name: times for name, times in bad.items() if times},
        gpu=mean_use([each.gpu for each in summaries if each.gpu]),
    )


def _mean_of(found: Sequence[MetricSummary]) -> MetricSummary:
    """The mean of summaries of one metric. Steps and the number of points are those that all of them cover."""

    def of(name: str) -> float:
        return mean([getattr(each, name) for each in found])

    best = [(each.best, each.best_step) for each in found if each.best is not None and each.best_step is not None]
    known = len(best) == len(found)
    return MetricSummary(
        first=of("first"),
        last=of("last"),
        best=mean([value for value, _ in best]) if known else None,
        best_step=round(mean([step for _, step in best])) if known else None,
        delta=of("delta"),
        pct=of("pct"),
        n=min(each.n for each in found),
        min=of("min"),
        max=of("max"),
        tail_mean=of("tail_mean"),
        tail_mad=of("tail_mad"),
        first_step=max(each.first_step for each in found),
        last_step=min(each.last_step for each in found),
        nan=sum(each.nan for each in found),
        inf=sum(each.inf for each in found),
    )
