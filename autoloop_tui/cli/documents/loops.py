"""Answers about a loop: its state and its runs."""

from __future__ import annotations

from typing import Any, TypedDict

from autoloop.engine.runs.presence import Presence
from autoloop.hooks.health import Health
from autoloop.model import Cause, Comparison, Loop, LoopSpec, Note, Round, Run, RunState, Sender

from autoloop_tui.cli.documents.fields import fields_of


class SpecDocument(LoopSpec, frozen=True, kw_only=True):
    """The loop's specification."""

    approve: str = "auto"  # type: ignore[assignment]
    """Who approves proposals: `auto`, `manual`, or `after:` and seconds."""

    @classmethod
    def of(cls, spec: LoopSpec) -> SpecDocument:
        return cls(**{**fields_of(spec), "approve": str(spec.approve)})


class LoopDocument(Loop, frozen=True, kw_only=True):
    """A loop, with its state as users see it."""

    spec: SpecDocument
    state_now: str
    """running, paused, orphaned (no engine runs it), finished or stopped."""
    reason: str | None = None
    """Why it ended, as text."""

    @classmethod
    def of(cls, loop: Loop, state_now: str) -> LoopDocument:
        return cls(**{**fields_of(loop), "spec": SpecDocument.of(loop.spec), "state_now": state_now, "reason": loop.reason})


class EngineDocument(TypedDict):
    pid: int
    host: str


class ResultDocument(TypedDict):
    """The result of an ended loop; `value`: the `extreme` last value of `metric`, reached by `run`."""

    extreme: str
    statistic: str
    metric: str
    value: float
    run: str
    baseline: str | None
    first: str | None
    """The first run of the best config."""
    verdict: Comparison | None
    """The best config compared with the baseline."""


class ThenDocument(TypedDict):
    """The progress of `--then`; `run`: the run that continues, once known."""

    extend: int
    proposal: int | None
    status: str | None
    run: str | None
    state: str | None
    step: int | None
    text: str | None


class WhereDocument(TypedDict):
    """Where an attempt runs, if not on this machine."""

    node: str | None
    job: Any
    partition: Any


class SlotDocument(WhereDocument):
    slot: str
    run: str | None
    state: str | None
    waits_for: str | None
    place: str
    """`local`, or another place for its runs."""


class RunDocument(TypedDict):
    name: str
    round: int
    state: RunState
    process: Presence | None
    """The state of its process, if no engine runs the loop."""
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
    """Whether the engine carried it out; null until it answers."""
    answer: str | None


class NoteDocument(Note, frozen=True, kw_only=True):
    author: str  # type: ignore[assignment]
    """As tables show it: `ada`, `agent:codex`."""

    @classmethod
    def of(cls, note: Note) -> NoteDocument:
        return cls(**{**fields_of(note), "author": str(note.author)})


class StatusDocument(TypedDict):
    loop: LoopDocument
    engine: EngineDocument | None
    result: ResultDocument | None
    """Null until the loop has ended."""
    report: str | None
    """The Markdown report of an ended loop."""
    then: ThenDocument | None
    rounds: list[Round]
    waits_for: str | None
    notes: list[NoteDocument]
    """Notes by people and agents, oldest first."""
    requests: list[RequestDocument]
    """The last requests, with their senders."""
    hooks: list[Health]
    """Delivery status of each hook used by this loop."""
    slots: list[SlotDocument]
    runs: dict[str, RunDocument]
    """By id."""


class LoopsDocument(TypedDict):
    loops: list[LoopDocument]


class RunsDocument(TypedDict):
    runs: list[Run]
