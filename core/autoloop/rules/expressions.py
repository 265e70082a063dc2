"""The conditions of rules: `ot_pi_sum.last < 1e-3 and not log_matches("nan")`.

What may be written: `and`, `or`, `not`, comparisons (chains too), `+ - * /`, numbers, text, `True`, `False`, `None`;
`name.last` with any name that tables show (`loss.last`, `val/loss.last`; `metric("any name").last` for a name with other
signs) and any field of a metric's summary; a slash with spaces around it divides; `steps`; `gpu.idle_share` and any other
field of `GpuUse`;
`config("dotted.path")`, `has("metric")`, `diverged("metric")` (its newest value is NaN or infinite, and with a number
behind the name so many in a row), `infinite("metric")` (its newest value is infinity), `log_matches("regex")`, `abs`,
`min`, `max`; `n` (the finished runs of the config), `noise("metric")` (the standard deviation between seeds),
`verdict("metric")` (of the config beside the one that it was made from: "better", "not enough runs" …) and
`better_than_base("metric")`. So a rule book can look at a run and do nothing else.

A comparison of `pct` or `delta` that holds because a metric has hardly improved needs enough points (`plateau.py`).

A condition that cannot be decided (its metric never appeared, its config key is not there, there are too few seeds or
points, a division by zero, a value that is not finite) does not hold, whatever stands around it, and says why. `and` and
`or` stop as soon as they know, so `has("x") and …` guards what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from autoloop.metrics import MetricBook, default_book
from autoloop.model import Observation
from autoloop.regex import Regex
from autoloop.rules.comparing import Threshold
from autoloop.rules.evaluation import Evaluation, UndecidedError
from autoloop.rules.grammar import Compiler
from autoloop.rules.view import RunView


@dataclass(frozen=True)
class Expression:
    """A checked condition."""

    text: str
    decide: Callable[[Evaluation], bool]
    metrics: frozenset[str] = frozenset()
    """Canonical names of the metrics that it looks at."""
    summarised: frozenset[str] = frozenset()
    """Those of them of which it asks for more than whether the newest values are finite."""
    patterns: tuple[Regex, ...] = ()
    """What it looks for in the log."""
    plateaus: frozenset[str] = frozenset()
    """Canonical names of the metrics that it holds to be flat."""
    compared: frozenset[str] = frozenset()
    """Canonical names of the metrics of which it asks for the noise or a verdict."""
    thresholds: tuple[Threshold, ...] = ()
    """The numbers that it compares statistics of metrics with."""


@dataclass(frozen=True)
class Verdict:
    """What came of a condition: every comparison made, the metrics that were missing, why it could not be decided."""

    holds: bool
    observations: list[Observation]
    missing: list[str]
    notes: list[str]


def compile_expression(text: str, book: MetricBook | None = None, *, live: bool = False) -> Expression:
    """Check a condition against the metric names of `book`. UserError says what is wrong, where, and what is near.

    `live`: it is to judge runs in training."""
    compiler = Compiler(text, book or default_book(), live=live)
    decide = compiler.compile()
    return Expression(
        re.sub(r"\s*\n\s*", " ", text.strip()),
        decide,
        frozenset(compiler.metrics),
        frozenset(compiler.summarised),
        tuple(compiler.patterns),
        frozenset(compiler.plateaus),
        frozenset(compiler.compared),
        tuple(compiler.thresholds),
    )


def holds(expression: Expression, view: RunView) -> bool:
    """`evaluate` without its evidence, for those who ask at every point of a run."""
    try:
        return expression.decide(Evaluation(view, recording=False))
    except UndecidedError:
        return False


def evaluate(expression: str | Expression, view: RunView) -> Verdict:
    """Does the condition hold for this run? UserError only for a text that is no valid condition."""
    if isinstance(expression, str):
        expression = compile_expression(expression, view.book)
    evaluation = Evaluation(view)
    try:
        holds = expression.decide(evaluation)
    except UndecidedError as reason:
        holds = False
        evaluation.notes.append(str(reason))
    return Verdict(holds, evaluation.observations, evaluation.missing, evaluation.notes)
