"""Answers about a loop's proposals, their authors, and the judgement of its runs."""

from __future__ import annotations

from typing import Literal, TypedDict

from autoloop.engine.commands.accounts import Account
from autoloop.model import AgentsHeld, Proposal, Sender
from autoloop.secrets import mask
from autoloop.text.changes import without_secrets
from autoloop.verdicts.wording import NoiseDocument, OutcomeDocument, RecordDocument

from autoloop_tui.cli.documents.fields import fields_of


class ProposalDocument(Proposal, frozen=True, kw_only=True):
    """Edits for one base run by a rule or a user, and their outcome."""

    author: str  # type: ignore[assignment]
    """As tables show it: `ada`, `agent:codex`, `rule:more-lr`."""
    decided_by: str | None = None  # type: ignore[assignment]
    decided_from: Sender | None = None
    """The user, terminal, agent and programs of the command that decided it."""
    approval_hash: str = ""
    """Hash of everything an approval covers."""
    outcome: OutcomeDocument | None = None
    """Set once it has a run."""
    record: RecordDocument | None = None
    """Its rule's or search's record."""

    @classmethod
    def of(
        cls, proposal: Proposal, sender: Sender | None, outcome: OutcomeDocument | None, record: RecordDocument | None
    ) -> ProposalDocument:
        decided_by = str(proposal.decided_by) if proposal.decided_by else None
        told = {"author": str(proposal.author), "decided_by": decided_by, "decided_from": sender}
        told["approval_hash"] = proposal.approval_hash
        masked = {
            "changes": [without_secrets(each) for each in proposal.changes],
            "edits": [mask(e) for e in proposal.edits],
        }
        return cls(**{**fields_of(proposal), **told, **masked, "outcome": outcome, "record": record})


class ProposalsDocument(TypedDict):
    proposals: list[ProposalDocument]


class AgentsDocument(TypedDict):
    loop: str
    held: AgentsHeld | None
    """Set while all agents are held."""
    actors: list[Account]
    """Agents first."""


class RuleDocument(TypedDict):
    id: str
    scope: str
    """end, live, default, or python."""
    when: str
    reason: str
    edits: list[list[str]]
    """For a live rule, one list per relaunch of a run."""
    record: RecordDocument | None


class RulesDocument(TypedDict):
    name: str | None
    version: str | None
    rules: list[RuleDocument]
    others: dict[str, RecordDocument | None]
    """Records of rules from other books used in the project, and of the search."""


class LoopNoise(NoiseDocument):
    statistic: Literal["tail mean"]
    stable_from: int | None
    """The step from which the spread is stable."""


class NoiseAnswer(TypedDict):
    metrics: dict[str, LoopNoise | None]
    """Null for a metric that two replicates did not log."""


class RejudgedDocument(TypedDict):
    """Runs judged as one, and the rules that proposed something then and now; null if they were not judged."""

    run: str
    runs: list[str]
    name: str
    round: int
    before: list[str] | None
    now: list[str] | None
    changed: bool
    lacking: list[str]
    """Metrics that the rules need but that were not logged."""
    notes: list[str]


class RejudgeDocument(TypedDict):
    runs: list[RejudgedDocument]
