"""How the figures of the judgement bench are written."""

from __future__ import annotations

from autoloop.verdicts.distributions import wilson


def rate(successes: int, trials: int) -> str:
    """A rate with its 95 % interval."""
    low, high = wilson(successes, trials)
    return f"{successes / trials:6.1%}  [{low:.1%}, {high:.1%}]"
