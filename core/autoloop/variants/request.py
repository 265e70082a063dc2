"""Requests for variants: the edits that a rule, a user, a recipe or a script wants, and why."""

from __future__ import annotations

import msgspec

from autoloop.configs import Clamp
from autoloop.model import Actor, ActorKind, Evidence, Expectation


class VariantRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request for a variant, not yet checked against a config. `edits`: texts such as `path@op=value`."""

    reason: str
    edits: list[str]
    author: Actor = Actor(kind=ActorKind.PERSON)
    """By default a user without a name."""
    priority: int = 0
    """Of several requests for one run, those with higher priority come first."""
    evidence: Evidence | None = None
    expects: Expectation | None = None
    clamp: Clamp = {}
    """The bounds within which a rule keeps the values that it sets."""

    @property
    def rule(self) -> str | None:
        """The id of the requesting rule, or `default`; None for a user."""
        return self.evidence.rule if self.evidence else None

    @property
    def by_rule(self) -> bool:
        """Whether a rule made the request. A rule serves many configs, so its edits that do not fit a config are left out; a
        user's edits must all fit."""
        return self.author.by_rules
