"""Replicates: runs that differ only in the seed, with mean and spread of their metrics."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from autoloop.metrics import MetricBook, by_config, config_label, config_name, for_runs
from autoloop.model import Run, RunState
from autoloop.text.changes import after_text
from autoloop.text.values import NOTHING, number
from autoloop.verdicts import Judge, NoiseGap, SharedResults, base_of
from autoloop.verdicts.wording import WITHIN_RUN, noise_text, noise_unknown, sentence


@dataclass(frozen=True)
class Replicates:
    """The `runs` of one config called `name`. `values`: by metric, the last values of the finished runs that have it."""

    name: str
    runs: tuple[Run, ...]
    values: dict[str, tuple[float, ...]]

    def text(self, key: str) -> str:
        """`0.213 ± 0.004 (3)`: mean, sample standard deviation and number of runs."""
        return mean_text(self.values[key])


def mean_text(values: Sequence[float]) -> str:
    """Mean, sample standard deviation and number of values, as in `Replicates.text`."""
    if not values:
        return NOTHING
    spread = f" ± {number(statistics.stdev(values), 2)}" if len(values) > 1 else ""
    return f"{number(statistics.fmean(values))}{spread} ({len(values)})"


def replicates(runs: Sequence[Run], keys: Sequence[str]) -> list[Replicates]:
    """Return the groups of two or more replicates, in the order of their first runs. `keys`: the metrics to include."""
    found = []
    for members in by_config(runs):
        if len(members) < 2:
            continue
        ended = [run.summary.metrics for run in members if run.summary and run.state is RunState.FINISHED]
        values = {key: tuple(metrics[key].last for metrics in ended if key in metrics) for key in keys}
        found.append(Replicates(_name(members), members, values))
    return found


def verdict_lines(
    runs: Sequence[Run], book: MetricBook, elsewhere: Sequence[Run] = (), seen: SharedResults | None = None
) -> list[str]:
    """Return the verdicts on the configs of these runs by their first key metric: the spread between seeds, and each config
    against its base's config, or else the baseline. `elsewhere`: the loop's other runs that count, and replicates in other
    loops; `seen`: the results shared with judges of earlier rounds."""
    finished = [run for run in runs if run.state is RunState.FINISHED and run.summary]
    keys = for_runs(book, finished).key_metrics
    key = next((key for key in keys if any(run.summary and key in run.summary.metrics for run in finished)), None)
    if key is None:
        return []
    loop = {run.id: run for run in [*elsewhere, *runs] if run.loop == finished[0].loop}
    mine = sorted(loop.values(), key=lambda run: run.round)
    judge = Judge(mine, book, [run for run in elsewhere if run.id not in loop], seen=seen)
    configs = by_config([run for run in mine if run.state is RunState.FINISHED and run.summary])
    asked = {run.id for run in finished}
    noise = judge.noise(key)
    if noise is None:
        why = judge.lacking(key)
        if why is NoiseGap.SPREAD:
            return [f"{book.short(key)}: {noise_unknown(why)}"]
        return [f"Changes are {WITHIN_RUN}: {why}, so none is better or worse."] if len(configs) > 1 else []
    lines = [f"Spread of {book.short(key)} between seeds: {noise_text(noise)}, tail mean."]
    config_of = {run.id: members for members in configs for run in members}
    for members in configs[1:]:
        if asked.isdisjoint(run.id for run in members):
            continue
        made_from = base_of(members[0], loop.get)
        base = config_of.get(made_from.id if made_from else "", configs[0])
        if verdict := judge.between(members[0], base[0], key):
            names = [config_label(side[0], len(side)) for side in (members, base)]
            lines.append(f"{' against '.join(names)}: {sentence(verdict)}.")
    hidden = len(lines) - 1 - MOST_VERDICTS
    return lines if hidden <= 0 else [*lines[: 1 + MOST_VERDICTS], f"… and {hidden} more."]


MOST_VERDICTS = 12
"""The most configs with a verdict."""


def _name(members: Sequence[Run]) -> str:
    """`lr=1e-3` for `lr=1e-3,seed=1` and `lr=1e-3,seed=2`; in later rounds with the changes: `lr=1e-3_r2_1: wd=0.1`."""
    changed = ", ".join(f"{change.path}={after_text(change)}" for change in members[0].changes)
    return f"{config_name(members[0])}: {changed}" if changed else config_name(members[0])
