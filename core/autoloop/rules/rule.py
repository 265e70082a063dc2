"""The forms of rules in a book: for ended runs, for runs in training, the default, and criteria that end a loop."""

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
    """When a live rule judges, in steps of the run, and what it does when it fires.

    It judges the points from step `first` to step `last` (None: no limit); with `window`, only the points of the last
    `window` steps; with `once`, only at the first point. It stops the run and, with `turns`, relaunches it with the next of
    these lists of edits, at most `relaunches` times per lineage. `ask`: the user is asked first.
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
    """One rule. A rule of scope `end` judges ended runs and proposes its changes for the next round. A `live` rule has a
    `watch` and judges runs in training. Higher priority comes first."""

    id: str
    when: Expression
    reason: str
    changes: tuple[str, ...]
    """The edits; for a live rule, those of its first turn."""
    priority: int = 0
    clamp: Clamp = field(default_factory=dict)
    expects: Expectation | None = None
    """The expected effect of the changes; only for scope `end`."""
    watch: LiveSchedule | None = None

    def request(self, evidence: Evidence, edits: Sequence[str] | None = None) -> VariantRequest:
        """Return the request of a rule that fired, with its changes, or with the `edits` of another turn."""
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
    """The proposal for a run for which no rule of scope `end` fired."""

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
