"""Comparisons that a flat curve satisfies: they hold only for a curve with enough points to be called flat.

`l1_loss.pct > -2` holds because a metric has hardly improved, `eval_l1.pct <= -10` because it has. Two similar points prove
nothing about the first kind, but two very different points can be enough for the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autoloop.metrics import PLATEAU_POINTS, Direction
from autoloop.model import Summary
from autoloop.rules.evaluation import Evaluation, Term, UndecidedError
from autoloop.rules.view import RunView

CHANGES = ("delta", "pct")
"""The statistics of a metric's change from its first point to its last."""
LARGE = 1e15
"""A change larger than any sensible threshold."""


def claims_plateau(change: Term, holds: Callable[[Any], bool], good: Direction | None) -> bool:
    """Return whether a comparison of `change` is satisfied by no change at all, but not by a large improvement: in the
    `good` direction or, if that is unknown, in at least one of both. `holds`: the comparison for a value of `change`."""
    improvements = {"high": [LARGE], "low": [-LARGE], None: [LARGE, -LARGE]}[good]
    try:
        return _holds(change, 0.0, holds) and not all(_holds(change, each, holds) for each in improvements)
    except UndecidedError:  # it divides by the change
        return False


def require_points(evaluation: Evaluation, comparison: str, metric: str) -> None:
    """Raise UndecidedError if the metric has too few points to be called flat."""
    _, found = evaluation.reached(metric)
    if found.n < PLATEAU_POINTS:
        raise UndecidedError(f"{comparison}: too few points ({found.n} of at least {PLATEAU_POINTS})")


def _holds(change: Term, supposed: float, holds: Callable[[Any], bool]) -> bool:
    return holds(change.run(Evaluation(RunView(Summary()), supposed=supposed)))
