"""A rule, in every form that a book may give it: for a run that has ended, for one in training, the default, the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from autoloop.configs import Clamp
from autoloop.model import DEFAULT_RULE, Actor, Evidence, Expectation
from autoloop.rules.expressions import Expression
from autoloop.variants.request import VariantRequest

Scope = Literal["end", "live"]


@dataclass(frozen=True)
class LiveSchedule:
    """When a live rule judges, in steps of the run, and what it does then.

    It judges the points from step `first` to step `last` (None: no end), of these only the last `window` steps if that
    is given; with `once` only when the first of them has come. It stops the run, and with `turns` relaunches it with
    the edits of one of them: the next one each time, at most `relaunches` times in a line of runs. `ask`: a person is
    asked first.
    """

    first: int = 0
    last: int | None = None
    once: bool = False
    window: int | None = None
    turns: tuple[tuple[str, ...], ...] = ()
    relaunches: int = 0
    ask: bool = False


@dataclass(frozen=True)
class Rule:
    """One rule. A rule of scope `end` judges a run that has ended, and proposes its changes for the next round. A `live`
    one has a `watch` and judges a run in training. Higher priority comes first."""

    id: str
    when: Expression
    reason: str
    changes: tuple[str, ...]
    """Of a live rule, the first of its turns."""
    priority: int = 0
    clamp: Clamp = field(default_factory=dict)
    expects: Expectation | None = None
    """Of a rule of scope `end`: what its changes are expected to do."""
    watch: LiveSchedule | None = None

    def request(self, evidence: Evidence, edits: Sequence[str] | None = None) -> VariantRequest:
        """What the rule asks for when it has fired: its changes, or those of another of its turns."""
        return VariantRequest(
            author=Actor.rule(self.id),
            reason=self.reason,
            edits=list(self.changes if edits is None else edits),
            priority=self.priority,
            evidence=evidence,
            expects=self.expects,
            clamp=self.clamp,
        )

    @property
    def scope(self) -> Scope:
        return "end" if self.watch is None else "live"


@dataclass(frozen=True)
class Default:
    """What to propose for a run on which no rule of scope `end` fired."""

    reason: str
    changes: tuple[str, ...]
    expects: Expectation | None = None

    def request(self, evidence: Evidence) -> VariantRequest:
        edits = list(self.changes)
        return VariantRequest(author=DEFAULT_RULE, reason=self.reason, edits=edits, evidence=evidence, expects=self.expects)


@dataclass(frozen=True)
class Criterion:
    """A condition that ends a loop with the run that meets it."""

    name: str
    description: str
    when: Expression
