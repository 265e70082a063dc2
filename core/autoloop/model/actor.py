"""Who did something: a person, an agent, a script, a rule, the rule book's default, the search, or the approval policy."""

from enum import StrEnum
from typing import Self

import msgspec

from autoloop.model.search import Sampler


class ActorKind(StrEnum):
    PERSON = "person"
    AGENT = "agent"
    """A coding agent; `[agents]` in the settings defines what it may decide."""
    SCRIPT = "script"
    """A command without a terminal that comes from no known agent; like an agent, it does not speak for a person."""
    RULE = "rule"
    DEFAULT = "default"
    """The rule book's `[default]`, which proposes if no rule fires."""
    SEARCH = "search"
    """Optuna, in the space that the loop searches."""
    POLICY = "policy"
    """`--approve auto` or `after:…`: no user was asked, or none answered in time."""
    THEN = "then"
    """The loop's `--then`, which requests the winner's long training."""
    REPLICATES = "replicates"
    """`--replicates auto`, which repeats configs with fresh seeds to confirm promising ones."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The author of a proposal, or who decided it. As text: `ada`, `agent:codex`, `script`, `rule:more-lr`,
    `default`, `optuna (TPE)`, `policy`."""

    kind: ActorKind
    name: str = ""
    """The name of the person, agent or script's user, the rule's id or the search's sampler; empty for the others."""

    @classmethod
    def person(cls, name: str) -> Self:
        return cls(kind=ActorKind.PERSON, name=name)

    @classmethod
    def agent(cls, name: str) -> Self:
        return cls(kind=ActorKind.AGENT, name=name)

    @classmethod
    def script(cls, user: str) -> Self:
        return cls(kind=ActorKind.SCRIPT, name=user)

    @classmethod
    def rule(cls, rule: str) -> Self:
        return cls(kind=ActorKind.RULE, name=rule)

    @classmethod
    def search(cls, sampler: Sampler) -> Self:
        return cls(kind=ActorKind.SEARCH, name=sampler.words)

    @property
    def needs_a_person(self) -> bool:
        """Whether its proposals always wait for a person, regardless of the approval policy."""
        return self.kind in (ActorKind.AGENT, ActorKind.SCRIPT)

    @property
    def by_rules(self) -> bool:
        """Whether this is the rule book, not a person."""
        return self.kind in (ActorKind.RULE, ActorKind.DEFAULT)

    @property
    def by_itself(self) -> bool:
        """Whether this is the loop itself (rules or search), not a person."""
        return self.by_rules or self.kind is ActorKind.SEARCH

    def __str__(self) -> str:
        if self.kind in (ActorKind.PERSON, ActorKind.SEARCH):
            return self.name
        return f"{self.kind.value}:{self.name}" if self.kind in (ActorKind.RULE, ActorKind.AGENT) else self.kind.value


DEFAULT_RULE = Actor(kind=ActorKind.DEFAULT)
POLICY = Actor(kind=ActorKind.POLICY)
THEN = Actor(kind=ActorKind.THEN)
REPLICATES = Actor(kind=ActorKind.REPLICATES)
