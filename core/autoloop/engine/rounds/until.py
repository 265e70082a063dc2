"""Which configs meet `--until` in more than one lucky run: by the mean over fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.judging import Judging
from autoloop.metrics import OverSeeds
from autoloop.model import Run, RunState

LEAST = 2
"""Fresh seeds whose mean must meet --until."""


def confirmed(context: Context, judging: Judging) -> list[OverSeeds] | None:
    """The configs that meet --until by the mean over their fresh seeds, the best first; None if that was interrupted."""
    fresh = [run for run in _fresh(context.store.runs(context.loop_id)) if run.state is RunState.FINISHED]
    met = judging.winners(fresh, noted=False)
    return None if met is None else [each for each in met if len(each.runs) >= LEAST]


def unconfirmed(context: Context, judging: Judging) -> list[OverSeeds] | None:
    """The configs that meet --until by the runs that explored them, and whose fresh seeds have not been looked at, the best
    first; None if that was interrupted."""
    runs = context.store.runs(context.loop_id)
    explored = [run for run in runs if run.state is RunState.FINISHED and run.confirms is None]
    met = judging.winners(explored, noted=False)
    if met is None:
        return None
    ended = [run.group for run in _fresh(runs) if run.state.ended]
    return [each for each in met if ended.count(each.run.group) < LEAST]


def _fresh(runs: Sequence[Run]) -> Sequence[Run]:
    """Those of a loop's runs that were made to confirm their own config."""
    groups = {run.id: run.group for run in runs}
    return [run for run in runs if run.confirms is not None and run.group == groups.get(run.confirms)]
