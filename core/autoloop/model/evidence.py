"""Evidence of a rule or search: the comparisons behind a proposal."""

from typing import Any

import msgspec


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison that a rule made: `name` (as written), its `value`, `op`, the `threshold` and the result. `words`: the
    source of a value that is not a number of this run (a verdict, the spread between seeds). `noise`: the scatter of the
    metric within the run."""

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
    """Why a rule fired: its condition as written, and every comparison made."""

    rule: str
    rule_version: str
    when: str
    observations: list[Observation] = []
    runs: list[str] = []
    """The runs whose mean the rule judged, at least one per seed; empty if it judged a single run."""
    searched: bool = False
    """Proposed by a search instead of a rule: `rule` is the sampler, `when` the space, `rule_version` Optuna's version."""
