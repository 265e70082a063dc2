"""The state of one evaluation of a condition: the run, the observations so far, and the checks of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autoloop.model import MetricSummary, Observation
from autoloop.rules.view import RunView
from autoloop.text.suggest import did_you_mean
from autoloop.text.values import value_text


class UndecidedError(Exception):
    """A condition cannot be decided. The text says why; `evaluate` turns it into a note."""


@dataclass
class Evaluation:
    """One evaluation in progress."""

    view: RunView
    observations: list[Observation] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    supposed: float | None = None
    """Used as the change of every metric instead of the run's, to find out which changes satisfy a comparison."""
    recording: bool = True
    """Whether observations are kept as evidence."""

    def reached(self, name: str) -> tuple[str, MetricSummary]:
        """Return a metric's canonical name and summary. UndecidedError if it never appeared."""
        canonical, found = self.view.metric(name)
        if found is None:
            self.missing.append(canonical)
            slip = self.view.book.resolve_name(name) is None
            near = did_you_mean(canonical, self.view.summary.metrics, quote='"') if slip else ""
            raise UndecidedError(f"metric {canonical} never appeared with a finite value{f'; {near}' if near else ''}")
        return canonical, found

    def observe(
        self,
        name: str,
        value: Any,
        op: str,
        threshold: Any,
        holds: bool,
        metric: str | None = None,
        words: str | None = None,
    ) -> bool:
        if not self.recording:
            return holds
        canonical, found = self.view.metric(metric) if metric else (None, None)
        self.observations.append(
            Observation(
                name=name,
                value=value,
                op=op,
                threshold=threshold,
                holds=holds,
                metric=canonical,
                first_step=found.first_step if found else None,
                last_step=found.last_step if found else None,
                n=found.n if found else None,
                noise=found.tail_mad if found else None,
                words=words,
            )
        )
        return holds


@dataclass(frozen=True)
class Term:
    """A checked part of a condition. `kind`: number, truth, text, none, or any if only the run determines it.

    `change`: the metric, as written, if the term computes the metric's change. `words`: describes the basis of its value.
    `choices`: the texts that it may be. `statistic`: for a metric's statistic, the canonical name and the statistic.
    """

    kind: str
    run: Callable[[Evaluation], Any]
    source: str
    metric: str | None = None
    constant: bool = False
    change: str | None = None
    words: Callable[[Evaluation], str] | None = None
    choices: tuple[str, ...] = ()
    statistic: tuple[str, str] | None = None


def finite(value: Any, source: str) -> float:
    """Return the value as a finite number, or raise UndecidedError. Integers stay integers below 2^53, so that every reader
    of the evidence can represent them."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UndecidedError(f"{source} is {show(value)}, not a number")
    try:
        number = value if isinstance(value, int) and abs(value) < 2**53 else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UndecidedError(f"{source} is not a finite number")
    return number


def setting(evaluation: Evaluation, path: str, source: str) -> Any:
    try:
        value = evaluation.view.setting(path)
    except LookupError as why:
        raise UndecidedError(f"{source} is not in the config: {why}") from None
    if isinstance(value, dict | list):
        raise UndecidedError(f"{source} is {show(value)}, not a single value")
    return finite(value, source) if isinstance(value, int | float) and not isinstance(value, bool) else value


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal in JSON, where true is not 1."""
    return isinstance(a, bool) is isinstance(b, bool) and bool(a == b)


def show(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a table"
    return value_text(value, 60)
