"""Edits that somebody wants for one base run, and their state."""

from enum import StrEnum

import msgspec

from autoloop.model.actor import Actor
from autoloop.model.edits import Change
from autoloop.model.ends import LapseKind
from autoloop.model.evidence import Evidence
from autoloop.model.expectation import Expectation
from autoloop.model.outcome import Call

SHORT_HASH = 8
"""Characters of a hash that are shown, and the fewest that are taken."""


class ProposalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    """A guard refused it; `blocked` says why. It can be edited into a valid one."""
    SKIPPED = "skipped"
    """Valid, but over --variants-per-run; a user may still approve it."""
    LAUNCHED = "launched"
    """It became a run: of the next round, or for a live rule's, of the same one."""
    DONE = "done"
    """A live rule's that asked for a stop and nothing more: the run has been stopped."""
    LAPSED = "lapsed"
    """Nobody decided in time: the next round started without it, or a live rule's run ended before."""


class LiveContext(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a proposal a live rule's: it is about a run in training, and is carried out at once when approved.

    The run is stopped; with edits, it is relaunched with them in the same slot and round.
    """

    attempt: str
    step: int
    """How far the run was, as far as was known, when the rule fired."""


class Repeats(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a proposal one that confirms: it changes nothing but the seed.

    `runs` stand for the configs that run again, the contender's first, then the baseline's; each gets all of the fresh
    `seeds`. `variants`: how many runs of new variants the approval policy takes into the same round.
    """

    runs: list[str]
    seeds: list[int]
    variants: int = 0


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's or a user's edits for one base run, resolved against that run's config."""

    id: int
    loop: int
    round: int
    """The round it was made from; if approved it runs in the next."""
    base_run: str
    author: Actor
    reason: str
    edits: list[str]
    changes: list[Change] = []
    status: ProposalStatus = ProposalStatus.PENDING
    priority: int = 0
    evidence: Evidence | None = None
    expects: Expectation | None = None
    """What its author expects of it; None where nothing was stated."""
    kill_criterion: str | None = None
    """A condition of a live rule; its run is stopped when it holds. Part of what is approved."""
    standing: Call | None = None
    """The verdict on its base against the base's own, when it was made; None where they could not be compared."""
    blocked: str | None = None
    notes: list[str] = []
    note: str | None = None
    """What the person said when deciding, or why it was skipped or has lapsed."""
    lapsed: LapseKind | None = None
    decided_by: Actor | None = None
    decided_at: float | None = None
    decision: int | None = None
    """Number of the command that decided it: proposals decided by one command are undone together."""
    asked: int | None = None
    """Number of the command that proposed it; None for what the loop proposed itself."""
    base_hash: str = ""
    """Hash of the base config that the changes were resolved against."""
    config_hash: str = ""
    """Hash of the resulting config."""
    revision: int = 1
    run: str | None = None
    live: LiveContext | None = None
    extend: int | None = None
    """Steps in all, if it asks for the long training of `base_run` as it is (`--then extend=…`)."""
    repeats: Repeats | None = None
    created_at: float = 0.0

    @property
    def approval_hash(self) -> str:
        """Of all that an approval is bound to: the config, and the criterion by which its run is stopped."""
        if self.kill_criterion is None:
            return self.config_hash
        from hashlib import sha256  # here: it loads OpenSSL, and most programs need none of it

        return sha256(f"{self.config_hash} {self.kill_criterion}".encode()).hexdigest()

    @property
    def tag(self) -> str:
        """`3@1a2b3c4d`: its number with the beginning of that hash, for who approves it and nothing else."""
        return f"{self.id}@{self.approval_hash[:SHORT_HASH]}" if self.approval_hash else str(self.id)

    @property
    def for_round(self) -> bool:
        """Whether it would become runs of the next round."""
        return self.live is None and self.extend is None

    @property
    def runs(self) -> list[str]:
        """The base runs, of each of which it becomes a variant: `base_run`, and those that differ from it in the seed only
        where their mean was judged."""
        return [self.base_run, *(run for run in (self.evidence.runs if self.evidence else ()) if run != self.base_run)]

    @property
    def trainings(self) -> int:
        """How many runs it becomes."""
        return len(self.repeats.runs) * len(self.repeats.seeds) if self.repeats else len(self.runs)

    @property
    def origin(self) -> str:
        """The id of the rule that made it, also after a user has edited it; else its author."""
        return self.evidence.rule if self.evidence else self.author.name or str(self.author)
