"""Computes a loop's outcome when it ends."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from autoloop.configs import Config, diff
from autoloop.configs.changes import OBSERVING
from autoloop.configs.paths import split
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import Change, Outcome, Run, UserError
from autoloop.variants.grids import seed_path
from autoloop.verdicts import Judge, outcome, reduced


@dataclass(frozen=True)
class JudgedRuns:
    """The loop's runs in order, each with at least `metric`, and their judge, which uses no other metric."""

    metric: str
    runs: list[Run]
    judge: Judge


def judged_runs(context: Context, metric: str) -> JudgedRuns:
    store, loop = context.store, context.loop_id
    runs = context.past.by([metric])
    # The other metrics of the runs depend on earlier calls in this engine; a verdict must not depend on them.
    judge = Judge(runs, context.metrics, reduced(store.replicates_elsewhere(loop), [metric]), keys=[metric])
    return JudgedRuns(metric, runs, judge)


def loop_outcome(context: Context) -> Outcome | None:
    """The loop's outcome; None if no run has a metric with a known better direction."""
    best = context.loop.best
    found = None if best is None else outcome_in(context, best.metric)
    if found is None or found.first.run == found.baseline.run:
        return found
    return msgspec.structs.replace(found, changes=_changes(context, found.baseline.run, found.first.run))


def outcome_in(context: Context, metric: str) -> Outcome | None:
    """The outcome in a given metric, also for an unfinished loop, without the differences between the configs."""
    judged = judged_runs(context, metric)
    return outcome(judged.runs, context.store.proposals(context.loop_id), context.spec, judged.judge, metric)


def _changes(context: Context, base: str, other: str) -> list[Change]:
    """The differences between the trainings of two runs, except for the seed; empty if a config can no longer be read."""
    try:
        configs: list[Config] = [frozen_config(context.store.run(run)) for run in (base, other)]
    except UserError:
        return []
    seeds = {seed_path(config, context.preset.seed) for config in configs}
    found = diff(*configs)
    return [change for change in found if change.path not in seeds and split(change.path)[0] not in OBSERVING]
