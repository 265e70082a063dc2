"""The conditions of rules: `ot_pi_sum.last < 1e-3 and not log_matches("nan")`.

The language: `and`, `or`, `not`, comparisons (also chained), `+ - * /`, numbers, text, `True`, `False`, `None`;
`name.last` with any metric name that tables show (`loss.last`, `val/loss.last`; `metric("any name").last` for names with
other characters) and any field of a metric's summary; a slash with spaces around it divides; `steps`; `gpu.idle_share` and
any other field of `GpuUse`; `config("dotted.path")`, `has("metric")`, `diverged("metric")` (the newest value is NaN or
infinite; with a number after the name, that many in a row), `infinite("metric")` (the newest value is infinity),
`log_matches("regex")`, `abs`, `min`, `max`; `n` (the number of finished runs of the config), `noise("metric")` (the standard
deviation between seeds), `verdict("metric")` (on the config against the one it was made from: "better", "not enough
runs" …) and `better_than_base("metric")`. So a rule book can read a run and do nothing else.

A comparison of `pct` or `delta` that holds because a metric has hardly improved needs enough points (`plateau.py`).

A condition that cannot be decided (a metric never appeared, a config key is missing, too few seeds or points, division by
zero, a value that is not finite) does not hold as a whole, and a note says why. `and` and `or` short-circuit, so
`has("x") and …` guards what follows.
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
    """Canonical names of the metrics that it reads."""
    summarised: frozenset[str] = frozenset()
    """Those of them of which it needs more than whether the newest values are finite."""
    patterns: tuple[Regex, ...] = ()
    """The patterns that it searches for in the log."""
    plateaus: frozenset[str] = frozenset()
    """Canonical names of the metrics that it claims to be flat."""
    compared: frozenset[str] = frozenset()
    """Canonical names of the metrics of which it needs the noise or a verdict."""
    thresholds: tuple[Threshold, ...] = ()
    """Its comparisons of a metric's statistic with a number."""


@dataclass(frozen=True)
class Verdict:
    """The result of a condition, with every comparison made, the missing metrics, and why it could not be decided."""

    holds: bool
    observations: list[Observation]
    missing: list[str]
    notes: list[str]


def compile_expression(text: str, book: MetricBook | None = None, *, live: bool = False) -> Expression:
    """Compile a condition, checked against the metric names of `book`. UserError says what is wrong, where, and which name
    is near.

    `live`: whether it will judge runs in training."""
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
    """Return whether the condition holds. Faster than `evaluate`, without evidence, for calls at every point of a run."""
    try:
        return expression.decide(Evaluation(view, recording=False))
    except UndecidedError:
        return False


def evaluate(expression: str | Expression, view: RunView) -> Verdict:
    """Evaluate a condition for a run. UserError only for a text that is not a valid condition."""
    if isinstance(expression, str):
        expression = compile_expression(expression, view.book)
    evaluation = Evaluation(view)
    try:
        holds = expression.decide(evaluation)
    except UndecidedError as reason:
        holds = False
        evaluation.notes.append(str(reason))
    return Verdict(holds, evaluation.observations, evaluation.missing, evaluation.notes)
