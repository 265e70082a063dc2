"""The reason for proposing a point, in words."""

from __future__ import annotations

from autoloop.configs import same
from autoloop.configs.paths import split
from autoloop.search.question import How, ProposedPoint, Question
from autoloop.text.plural import plural
from autoloop.text.values import number, value_text

FEW = 6
"""The most values that are listed."""


def reason(question: Question, proposed: ProposedPoint, metric: str) -> str:
    """`TPE, from 12 configs: the next that its model of loss prefers; best so far: base_r2_1 (loss 0.31, lr 0.001)`.

    `metric`: its name for users. The best config so far is shown with the values in which it differs.
    """
    sampler, best = question.search.sampler, question.best
    known = sum(bool(each.values) for each in question.tried)
    configs = plural(known, "config")
    if question.runs > known:
        configs = f"{plural(question.runs, 'run')} of {configs}"
    how = {
        How.MODEL: f"from {configs}: the next point preferred by its model of {metric}",
        How.RANDOM: f"from {configs}: at random, because these are too few for a model",
        How.SPREAD: "the next point of a sequence that covers the space evenly",
        How.LEFT: f"from {configs}: at random, because its preferred points have been run",
    }
    said = f"{sampler.value.upper()}, {how[proposed.how]}"
    if best is None:
        return said
    differs = [
        f"{split(axis.path)[-1]} {value_text(value)}"
        for axis, value, other in zip(question.axes, best.point, proposed.point, strict=True)
        if not same(value, other)
    ]
    return f"{said}; best so far: {best.name} ({metric} {number(best.value)}, {_listed(differs)})"


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:FEW]) + (" …" if len(parts) > FEW else "")
