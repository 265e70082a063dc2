"""The outcomes of each rule's proposals in all loops of a project.

An ended loop keeps its rules' records with its outcome, so that a project of a thousand loops is read quickly. Verdicts of
other loops that still run, and of loops that ended without an outcome, are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from autoloop.metrics import MetricBook, for_runs
from autoloop.model import Loop, LoopState, RuleRecord, Run, RunState
from autoloop.store import Store
from autoloop.verdicts import Judge, reduced, rule_records, summed


def project_records(store: Store, loop: Loop | None, metrics: MetricBook) -> dict[str, RuleRecord]:
    """Return the records of each rule over all loops. `loop`: a loop whose verdicts count even if it has not ended;
    `metrics`: its book."""
    with store.reading():
        mine = [] if loop is None else loop_records(store, loop, metrics)
        return summed([*other_records(store, loop), *mine])


def other_records(store: Store, loop: Loop | None) -> Iterator[RuleRecord]:
    """Yield the records of all loops other than `loop`, loop by loop."""
    proposing = store.loops_with_proposals()
    for other in store.loops(-1 if proposing else 0):
        if other.id in proposing and (loop is None or other.id != loop.id):
            kept = kept_records(other)
            yield from rule_records(store.proposals(other.id), {}) if kept is None else kept


def loop_records(store: Store, loop: Loop, metrics: MetricBook) -> list[RuleRecord]:
    """Return the records of one loop in its current state."""
    kept, proposals = kept_records(loop), store.proposals(loop.id)
    if kept is not None or not proposals:
        return kept or []
    runs = store.runs(loop.id)
    metric = judged_by(metrics, runs)
    wanted = [metric] if metric else []
    mine = list(reduced(runs, wanted))
    judge = Judge(mine, metrics, reduced(store.replicates_elsewhere(loop.id), wanted))
    return rule_records(proposals, {run.id: run for run in mine}, judge, metric)


def judged_by(metrics: MetricBook, runs: list[Run]) -> str | None:
    """Return the metric by which a loop's rules help or hurt: the first key metric that a run has and whose better direction
    is known."""
    finished = [run.summary.metrics for run in runs if run.state is RunState.FINISHED and run.summary]
    keys = (key for key in for_runs(metrics, runs).key_metrics if metrics.direction(key))
    return next((key for key in keys if any(key in each for each in finished)), None)


def kept_records(loop: Loop) -> list[RuleRecord] | None:
    """Return the records stored with the outcome of an ended loop; None if they must be computed."""
    return loop.outcome.rules if loop.outcome is not None and loop.state is not LoopState.ACTIVE else None
