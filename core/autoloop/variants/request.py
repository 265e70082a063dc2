"""What somebody wants changed in a config, and why: a rule, a user, a recipe or a script."""

from __future__ import annotations

import msgspec

from autoloop.configs import Clamp
from autoloop.model import Actor, ActorKind, Evidence, Expectation


class VariantRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A variant of a config that is still to be checked against it. `edits` are texts such as `path@op=value`."""

    reason: str
    edits: list[str]
    author: Actor = Actor(kind=ActorKind.PERSON)
    """By default a user whose name is not known here."""
    priority: int = 0
    """Of several requests for one run, the higher comes first."""
    evidence: Evidence | None = None
    expects: Expectation | None = None
    clamp: Clamp = {}
    """The bounds within which a rule keeps the values that it sets."""

    @property
    def rule(self) -> str | None:
        """The id of the rule that asks, or `default`; None for a user."""
        return self.evidence.rule if self.evidence else None

    @property
    def by_rule(self) -> bool:
        """Whether a rule asks. A rule serves many configs, so edits that one of them cannot take are left out; an edit of
        a user is meant as it stands."""
        return self.author.by_rules
