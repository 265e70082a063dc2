"""Terms of conditions that compare a run's config with others: its number of runs, the noise between seeds, and the verdict
against the config it was made from. `autoloop.verdicts` computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from autoloop.model import Call
from autoloop.rules.evaluation import Evaluation, Term, UndecidedError
from autoloop.verdicts import BaseComparison, Verdict
from autoloop.verdicts.wording import noise_basis, sentence

RUNS = "n"
NOISE = "noise"
VERDICT = "verdict"
BETTER = "better_than_base"
FUNCTIONS = (NOISE, VERDICT, BETTER)
AFTER_THE_END = (RUNS, VERDICT, BETTER)
"""Terms that live rules cannot use: the run that they judge has not finished, so it counts in no comparison."""

T = TypeVar("T")


def number_of_runs(source: str) -> Term:
    """`n`: the finished runs of the config."""
    return Term("number", lambda evaluation: _asked(evaluation, source, lambda config: config.runs), source)


def function(name: str, metric: str, source: str) -> Term:
    """The term of one of FUNCTIONS, called with a metric in any of its names."""
    if name == NOISE:
        return _noise(metric, source)
    if name == VERDICT:
        return _verdict(metric, source)
    return _better(metric, source)


def _noise(metric: str, source: str) -> Term:
    def run(evaluation: Evaluation) -> float:
        canonical, _ = evaluation.reached(metric)
        return _asked(evaluation, source, lambda config: config.noise(canonical).sd)

    def words(evaluation: Evaluation) -> str:
        canonical, _ = evaluation.reached(metric)
        return _asked(evaluation, source, lambda config: noise_basis(config.noise(canonical)))

    return Term("number", run, source, words=words)


def _verdict(metric: str, source: str) -> Term:
    return Term(
        "text",
        lambda evaluation: _between(evaluation, metric, source).call.value,
        source,
        words=lambda evaluation: sentence(_between(evaluation, metric, source)),
        choices=tuple(call.value for call in Call),
    )


def _better(metric: str, source: str) -> Term:
    """`better_than_base("metric")`: false only if the config has been shown not to be better. While that is open, the
    condition is undecided."""

    def run(evaluation: Evaluation) -> bool:
        canonical, _ = evaluation.reached(metric)
        held = _asked(evaluation, source, lambda config: config.better(canonical))
        return evaluation.observe(source, held, "==", True, held, words=sentence(_between(evaluation, metric, source)))

    return Term("truth", run, source)


def _between(evaluation: Evaluation, metric: str, source: str) -> Verdict:
    canonical, _ = evaluation.reached(metric)
    return _asked(evaluation, source, lambda config: config.verdict(canonical))


def _asked(evaluation: Evaluation, source: str, ask: Callable[[BaseComparison], T]) -> T:
    try:
        return ask(evaluation.view.among_runs())
    except LookupError as why:
        raise UndecidedError(f"{source} is unknown: {why}") from None
