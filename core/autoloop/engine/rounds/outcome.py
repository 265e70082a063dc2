"""What a loop came to, put together when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from autoloop.configs import Config, diff
from autoloop.configs.changes import OBSERVING
from autoloop.configs.paths import split
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import Change, Outcome, Run, Summary, UserError
from autoloop.store import Store
from autoloop.variants.grids import seed_path
from autoloop.verdicts import Judge, outcome


def loop_outcome(context: Context) -> Outcome | None:
    """None if no run of the loop tells how it stands in a metric of which one direction is good."""
    best, store = context.loop.best, context.store
    if best is None:
        return None
    runs = list(_runs(store, context.loop_id, best.metric))
    judge = Judge(runs, context.metrics, _reduced(store.replicates_elsewhere(context.loop_id), best.metric))
    found = outcome(runs, store.proposals(context.loop_id), context.spec, judge, best.metric)
    if found is None or found.first.run == found.baseline.run:
        return found
    return msgspec.structs.replace(found, changes=_changes(context, found.baseline.run, found.first.run))


def _runs(store: Store, loop: int, metric: str) -> Iterator[Run]:
    """The loop's runs in their order, with no more than is needed: it may have had thousands."""
    for round_ in store.rounds(loop):
        yield from _reduced(store.runs(loop, round_.number), metric)


def _reduced(runs: Iterable[Run], metric: str) -> Iterator[Run]:
    for run in runs:
        found = run.summary.metrics.get(metric) if run.summary else None
        summary = Summary(metrics={metric: found}, steps=run.step) if found else None
        yield msgspec.structs.replace(run, summary=summary, changes=[], notes=[])


def _changes(context: Context, base: str, other: str) -> list[Change]:
    """What differs between the trainings of two runs but the seed; nothing where a config can no longer be read."""
    try:
        configs: list[Config] = [frozen_config(context.store.run(run)) for run in (base, other)]
    except UserError:
        return []
    seeds = {seed_path(config, context.preset.seed) for config in configs}
    found = diff(*configs)
    return [change for change in found if change.path not in seeds and split(change.path)[0] not in OBSERVING]
