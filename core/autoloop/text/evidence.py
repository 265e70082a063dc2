"""The evidence of rules, in words."""

from __future__ import annotations

from autoloop.model import Evidence, Observation
from autoloop.text.values import number, value_text

LONGEST = 120
"""The most characters shown of a log line."""


def evidence_text(evidence: Evidence) -> str:
    """The observations that decided, in one line: `ot_pi_sum.last = 3.4e-11 < 1e-6, steps = 500 > 300`."""
    seen = ", ".join(observation_text(each) for each in evidence.observations if each.holds)
    return f"{seen} ({averaged_text(evidence)})" if seen and evidence.runs else seen


def averaged_text(evidence: Evidence) -> str:
    """`mean of 3 runs over seeds`; empty if a single run was judged."""
    return f"mean of {len(evidence.runs)} runs over seeds" if evidence.runs else ""


def observation_text(observation: Observation) -> str:
    """One comparison of a rule: `ot_pi_sum.last = 3.4e-11 < 1e-6`, or the log line that it found."""
    if observation.op == "matches":
        return f'its log says "{str(observation.value)[:LONGEST]}"'
    if observation.value is True and observation.threshold is True:
        return f"{observation.name}: {observation.words}" if observation.words else observation.name
    text = f"{observation.name} = {operand_text(observation.value)} {observation.op} {operand_text(observation.threshold)}"
    return f"{text}: {observation.words}" if observation.words else text


def operand_text(value: object) -> str:
    """One side of a comparison: a measured number, or a value of the config."""
    return number(value) if isinstance(value, float) else value_text(value)
