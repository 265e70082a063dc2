"""The answers about a loop: its state, runs, proposals and rules."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from autoloop.engine.commands.accounts import Account
from autoloop.engine.runs.presence import Presence
from autoloop.hooks.health import Health
from autoloop.model import AgentsHeld, Cause, Comparison, Loop, LoopSpec, Note, Proposal, Round, Run, RunState, Sender
from autoloop.secrets import mask
from autoloop.text.changes import without_secrets
from autoloop.verdicts.wording import NoiseDocument, OutcomeDocument, RecordDocument


class SpecDocument(LoopSpec, frozen=True, kw_only=True):
    """What a user asked for."""

    approve: str = "auto"  # type: ignore[assignment]
    """Who approves proposals: `auto`, `manual`, or `after:` and seconds."""

    @classmethod
    def of(cls, spec: LoopSpec) -> SpecDocument:
        return cls(**{**_fields(spec), "approve": str(spec.approve)})


class LoopDocument(Loop, frozen=True, kw_only=True):
    """A loop, with its state as users see it."""

    spec: SpecDocument
    state_now: str
    """running, paused, orphaned (no engine runs it), finished or stopped."""
    reason: str | None = None
    """Why it ended, in words."""

    @classmethod
    def of(cls, loop: Loop, state_now: str) -> LoopDocument:
        return cls(**{**_fields(loop), "spec": SpecDocument.of(loop.spec), "state_now": state_now, "reason": loop.reason})


def _fields(given: Loop | LoopSpec | Proposal | Note) -> dict[str, Any]:
    return {name: getattr(given, name) for name in given.__struct_fields__}


class EngineDocument(TypedDict):
    pid: int
    host: str


class ResultDocument(TypedDict):
    """What a loop that has ended came to; `value`: the `extreme` last value of `metric`, of `run`."""

    extreme: str
    statistic: str
    metric: str
    value: float
    run: str
    baseline: str | None
    first: str | None
    """The first run of the config that stands first."""
    verdict: Comparison | None
    """On the config that stands first beside the baseline."""


class ThenDocument(TypedDict):
    """How far `--then` is; `run`: the one that is trained on, once that is known."""

    extend: int
    proposal: int | None
    status: str | None
    run: str | None
    state: str | None
    step: int | None
    text: str | None


class WhereDocument(TypedDict):
    """Where an attempt is, at a place that is not this machine."""

    node: str | None
    job: Any
    partition: Any


class SlotDocument(WhereDocument):
    slot: str
    run: str | None
    state: str | None
    waits_for: str | None
    place: str
    """`local`, or where else its runs go."""


class RunDocument(TypedDict):
    name: str
    round: int
    state: RunState
    process: Presence | None
    """What is there of its process, if no engine runs the loop."""
    step: int
    reason: str | None
    notes: list[str]
    cause: Cause | None
    """Why its last attempt failed."""


class RequestDocument(TypedDict):
    request: str
    """The command: approve, stop …"""
    sender: Sender
    sent_at: float
    ok: bool | None
    """Whether the engine carried it out; null before it has answered."""
    answer: str | None


class NoteDocument(Note, frozen=True, kw_only=True):
    author: str  # type: ignore[assignment]
    """As tables show it: `ada`, `agent:codex`."""

    @classmethod
    def of(cls, note: Note) -> NoteDocument:
        return cls(**{**_fields(note), "author": str(note.author)})


class StatusDocument(TypedDict):
    loop: LoopDocument
    engine: EngineDocument | None
    result: ResultDocument | None
    """Null before the loop has ended."""
    report: str | None
    """The Markdown report of a loop that has ended."""
    then: ThenDocument | None
    rounds: list[Round]
    waits_for: str | None
    notes: list[NoteDocument]
    """What people and agents wrote down, the oldest first."""
    requests: list[RequestDocument]
    """The last ones, with who sent each."""
    hooks: list[Health]
    """How each hook that messages of this loop were for has done."""
    slots: list[SlotDocument]
    runs: dict[str, RunDocument]
    """By id."""


class LoopsDocument(TypedDict):
    loops: list[LoopDocument]


class RunsDocument(TypedDict):
    runs: list[Run]


class ProposalDocument(Proposal, frozen=True, kw_only=True):
    """A rule's or a user's edits for one base run, and what became of them."""

    author: str  # type: ignore[assignment]
    """As tables show it: `ada`, `agent:codex`, `rule:more-lr`."""
    decided_by: str | None = None  # type: ignore[assignment]
    decided_from: Sender | None = None
    """The user, terminal, agent and programs of the command that decided it."""
    approval_hash: str = ""
    """Of all that an approval is bound to."""
    outcome: OutcomeDocument | None = None
    """Once it has a run."""
    record: RecordDocument | None = None
    """Of the rule or search that made it."""

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
        return cls(**{**_fields(proposal), **told, **masked, "outcome": outcome, "record": record})


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
    """Of a live rule, for each time that it relaunches a run."""
    record: RecordDocument | None


class RulesDocument(TypedDict):
    name: str | None
    version: str | None
    rules: list[RuleDocument]
    others: dict[str, RecordDocument | None]
    """Records of rules of other books that fired in the project, and of the search."""


class LoopNoise(NoiseDocument):
    statistic: Literal["tail mean"]
    stable_from: int | None
    """The step from which on the spread is what it is at the end."""


class NoiseAnswer(TypedDict):
    metrics: dict[str, LoopNoise | None]
    """Null for a metric that was not logged by two replicates."""


class RejudgedDocument(TypedDict):
    """Runs that are judged as one: the rules that proposed something then and now; null: they were not judged."""

    run: str
    runs: list[str]
    name: str
    round: int
    before: list[str] | None
    now: list[str] | None
    changed: bool
    lacking: list[str]
    """Metrics that the rules need and that were not logged."""
    notes: list[str]


class RejudgeDocument(TypedDict):
    runs: list[RejudgedDocument]
