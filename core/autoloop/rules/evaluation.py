"""One evaluation of a condition: what it looks at, what it has seen so far, and the values it may go on with."""

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
    """A condition met something it cannot judge. Its text says what; `evaluate` turns it into a note."""


@dataclass
class Evaluation:
    """One evaluation in progress."""

    view: RunView
    observations: list[Observation] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    supposed: float | None = None
    """What every change of a metric is taken to be, in place of the run's, to learn what a comparison asks for."""
    recording: bool = True
    """Whether what it sees is kept as evidence."""

    def reached(self, name: str) -> tuple[str, MetricSummary]:
        """A metric's canonical name and summary. UndecidedError if it never appeared."""
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
    """A checked part of a condition. `kind` is number, truth, text, none, or any where only the run can tell.

    `change`: the metric whose change it computes, by the name as written. `words`: what its value rests on, in words.
    `choices`: the texts that it may be. `statistic`: if it is one of a metric, the metric's canonical name and which.
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
    """The value as a finite number; whole numbers stay whole as long as every reader of the evidence can hold them."""
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
    """Equality as JSON has it: true is not 1."""
    return isinstance(a, bool) is isinstance(b, bool) and bool(a == b)


def show(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a table"
    return value_text(value, 60)
