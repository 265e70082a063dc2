"""A verdict in words."""

from __future__ import annotations

import math
from typing import Any

from autoloop.text.plural import plural
from autoloop.text.values import number
from autoloop.verdicts.noise import Noise
from autoloop.verdicts.verdict import Basis, Verdict

WITHIN_RUN = "within the run only"


def short(verdict: Verdict) -> str:
    """In a few words: `better (n 4, 4)`, `within the run only`."""
    if verdict.basis in (Basis.WITHIN_RUN, Basis.UNEQUAL_STEPS, Basis.MISSING):
        return verdict.basis.value
    return f"{verdict.call.value} (n {verdict.runs[0]}, {verdict.runs[1]})"


def sentence(verdict: Verdict) -> str:
    """`better: -0.05 (tail mean) [-0.09, -0.01], n 4 and 4, paired by seed`, or what it lacks."""
    if verdict.basis is Basis.MISSING:
        return "no value to compare"
    text = f"{number(verdict.effect)} ({verdict.statistic.value})"
    if verdict.basis is Basis.UNEQUAL_STEPS:
        return f"{text}, not at equal steps"
    if verdict.interval is None:
        return f"{text}, {WITHIN_RUN}: no config was run with two seeds"
    low, high = map(number, verdict.interval)
    counts = f"n {verdict.runs[0]} and {verdict.runs[1]}, {verdict.basis.value}"
    left = f"; about {plural(verdict.more, 'more run')} would settle it" if verdict.more else ""
    return f"{verdict.call.value}: {text} [{low}, {high}], {counts}{left}"


def document(verdict: Verdict) -> dict[str, Any]:
    """The verdict for programs. `effect` and `interval` are null where there is no number."""
    return {
        "verdict": verdict.call.value,
        "basis": verdict.basis.value,
        "statistic": verdict.statistic.value,
        "effect": None if math.isnan(verdict.effect) else verdict.effect,
        "interval": verdict.interval,
        "runs": verdict.runs,
        "more_runs": verdict.more,
        "noise": None if verdict.noise is None else noise_document(verdict.noise),
    }


def noise_document(noise: Noise) -> dict[str, Any]:
    """The spread between seeds for programs, with its 95 % interval."""
    return {
        "sd": noise.sd,
        "interval": noise.interval(),
        "dof": noise.dof,
        "runs": noise.runs,
        "configs": noise.groups,
        "correlation": noise.correlation,
    }


def noise_text(noise: Noise) -> str:
    """`0.034 [0.023, 0.062] (10 runs of 1 config)`: the spread between seeds and its 95 % interval."""
    low, high = noise.interval()
    seeds = f"{plural(noise.runs, 'run')} of {plural(noise.groups, 'config')}"
    return f"{number(noise.sd, 2)} [{number(low, 2)}, {number(high, 2)}] ({seeds})"
