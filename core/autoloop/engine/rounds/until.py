"""Which configs meet `--until` not only in one lucky run, but by the mean over fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.judging import Judging
from autoloop.metrics import ConfigSummary
from autoloop.model import Run, RunState

LEAST = 2
"""Minimum number of fresh seeds whose mean must meet --until."""


def confirmed(context: Context, judging: Judging) -> list[ConfigSummary] | None:
    """The configs that meet --until by the mean over their fresh seeds, best first; None if interrupted."""
    fresh = [run for run in _fresh(context.store.runs(context.loop_id)) if run.state is RunState.FINISHED]
    met = judging.winners(fresh, noted=False)
    return None if met is None else [each for each in met if len(each.runs) >= LEAST]


def unconfirmed(context: Context, judging: Judging) -> list[ConfigSummary] | None:
    """The configs that meet --until in their exploring runs but have too few ended runs on fresh seeds, best first; None if
    interrupted."""
    runs = context.store.runs(context.loop_id)
    explored = [run for run in runs if run.state is RunState.FINISHED and run.confirms is None]
    met = judging.winners(explored, noted=False)
    if met is None:
        return None
    ended = [run.group for run in _fresh(runs) if run.state.ended]
    return [each for each in met if ended.count(each.run.group) < LEAST]


def _fresh(runs: Sequence[Run]) -> Sequence[Run]:
    """The runs that were made to confirm their own config (not those of the baseline beside it)."""
    groups = {run.id: run.group for run in runs}
    return [run for run in runs if run.confirms is not None and run.group == groups.get(run.confirms)]
