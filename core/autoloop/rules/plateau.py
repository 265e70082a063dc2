"""Comparisons that a flat curve satisfies: they hold only for a curve of enough points to be called flat.

`l1_loss.pct > -2` holds because a metric has hardly improved; `eval_l1.pct <= -10`, because it has. Two points that are
alike say nothing of the first kind, and two that differ much may well say something of the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autoloop.metrics import PLATEAU_POINTS, Direction
from autoloop.model import Summary
from autoloop.rules.evaluation import Evaluation, Term, UndecidedError
from autoloop.rules.view import RunView

CHANGES = ("delta", "pct")
"""The statistics that tell how a metric has changed from its first point to its last."""
LARGE = 1e15
"""A change beyond any that a threshold means."""


def claims_plateau(change: Term, holds: Callable[[Any], bool], good: Direction | None) -> bool:
    """Whether a comparison of `change` with something else is satisfied by no change at all, and not by a large improvement:
    in the `good` direction, or in one of both if it is not known. `holds`: the comparison for a value of `change`."""
    improvements = {"high": [LARGE], "low": [-LARGE], None: [LARGE, -LARGE]}[good]
    try:
        return _holds(change, 0.0, holds) and not all(_holds(change, each, holds) for each in improvements)
    except UndecidedError:  # it divides by the change
        return False


def require_points(evaluation: Evaluation, comparison: str, metric: str) -> None:
    """UndecidedError if the metric has too few points to be called flat."""
    _, found = evaluation.reached(metric)
    if found.n < PLATEAU_POINTS:
        raise UndecidedError(f"{comparison}: too few points ({found.n} of at least {PLATEAU_POINTS})")


def _holds(change: Term, supposed: float, holds: Callable[[Any], bool]) -> bool:
    return holds(change.run(Evaluation(RunView(Summary()), supposed=supposed)))
