"""The answers about a loop: its state and its runs."""

from __future__ import annotations

from typing import Any, TypedDict

from autoloop.engine.runs.presence import Presence
from autoloop.hooks.health import Health
from autoloop.model import Cause, Comparison, Loop, LoopSpec, Note, Round, Run, RunState, Sender

from autoloop_tui.cli.documents.fields import fields_of


class SpecDocument(LoopSpec, frozen=True, kw_only=True):
    """What a user asked for."""

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
    """Why it ended, in words."""

    @classmethod
    def of(cls, loop: Loop, state_now: str) -> LoopDocument:
        return cls(**{**fields_of(loop), "spec": SpecDocument.of(loop.spec), "state_now": state_now, "reason": loop.reason})


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
        return cls(**{**fields_of(note), "author": str(note.author)})


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
