"""Proposed edits for one base run, and their state."""

from enum import StrEnum

import msgspec

from autoloop.model.actor import Actor
from autoloop.model.edits import Change
from autoloop.model.ends import LapseKind
from autoloop.model.evidence import Evidence
from autoloop.model.expectation import Expectation
from autoloop.model.outcome import Call

SHORT_HASH = 8
"""Number of hash characters shown, and the minimum accepted."""


class ProposalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    """Rejected by a guard; `blocked` says why. Editing can make it valid."""
    SKIPPED = "skipped"
    """Valid, but over --variants-per-run; a user may still approve it."""
    LAUNCHED = "launched"
    """It became a run: in the next round, or in the same round for a live rule."""
    DONE = "done"
    """A live rule's request to stop a run, carried out."""
    LAPSED = "lapsed"
    """Not decided in time: the next round started without it, or the live rule's run ended first."""


class LiveContext(msgspec.Struct, frozen=True, kw_only=True):
    """Marks a live rule's proposal: it applies to a running run and takes effect immediately when approved. The run is
    stopped; with edits, it is relaunched with them in the same slot and round.
    """

    attempt: str
    step: int
    """The last known step of the run when the rule fired."""


class Repeats(msgspec.Struct, frozen=True, kw_only=True):
    """Marks a confirmation: it changes only the seed. `runs` represent the configs to run again, first the contender's, then
    the baseline's; each gets all fresh `seeds`. `variants`: the number of runs of new variants that the approval policy
    admits to the same round.
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
    """The author's expectation, if stated."""
    kill_criterion: str | None = None
    """A live-rule condition that stops its run. Part of the approval."""
    standing: Call | None = None
    """The verdict on its base against the base's own base at the time; None if they could not be compared."""
    blocked: str | None = None
    notes: list[str] = []
    note: str | None = None
    """The user's note on the decision, or why it was skipped or lapsed."""
    lapsed: LapseKind | None = None
    decided_by: Actor | None = None
    decided_at: float | None = None
    decision: int | None = None
    """Number of the command that decided it; proposals decided by one command are undone together."""
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
    """Total steps, if it requests the long training of `base_run` unchanged (`--then extend=…`)."""
    repeats: Repeats | None = None
    created_at: float = 0.0

    @property
    def approval_hash(self) -> str:
        """Hash of everything an approval covers: the config and the kill criterion."""
        if self.kill_criterion is None:
            return self.config_hash
        from hashlib import sha256  # imported here because it loads OpenSSL, which most programs do not need

        return sha256(f"{self.config_hash} {self.kill_criterion}".encode()).hexdigest()

    @property
    def tag(self) -> str:
        """`3@1a2b3c4d`: its number with the start of that hash, to approve exactly this version."""
        return f"{self.id}@{self.approval_hash[:SHORT_HASH]}" if self.approval_hash else str(self.id)

    @property
    def for_round(self) -> bool:
        """Whether it is meant for the next round."""
        return self.live is None and self.extend is None

    @property
    def runs(self) -> list[str]:
        """The base runs that get one variant each: `base_run`, plus the runs that differ from it only in the seed if the
        rule judged their mean."""
        return [self.base_run, *(run for run in (self.evidence.runs if self.evidence else ()) if run != self.base_run)]

    @property
    def trainings(self) -> int:
        """The number of runs it creates."""
        return len(self.repeats.runs) * len(self.repeats.seeds) if self.repeats else len(self.runs)

    @property
    def origin(self) -> str:
        """The id of the rule that made it, even after a user's edit; else its author."""
        return self.evidence.rule if self.evidence else self.author.name or str(self.author)
