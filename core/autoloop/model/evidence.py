"""Why a rule fired, or what a search rests on: the comparisons that were made."""

from typing import Any

import msgspec


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison that a rule made: `name` (as written), its `value`, `op`, the `threshold` and what came out.

    `words`: what the value rests on if it is no number of this run: a verdict, the spread between seeds. `noise`: how
    much the metric scatters within the run."""

    name: str
    value: Any
    op: str
    threshold: Any
    holds: bool
    metric: str | None = None
    first_step: int | None = None
    last_step: int | None = None
    n: int | None = None
    noise: float | None = None
    words: str | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule fired: the condition as written and every comparison it made."""

    rule: str
    rule_version: str
    when: str
    observations: list[Observation] = []
    runs: list[str] = []
    """The runs, one or more for each seed, whose mean the rule judged; empty where it judged one run."""
    searched: bool = False
    """A search proposed it, and no rule fired: `rule` is its sampler, `when` its space, `rule_version` that of Optuna."""
