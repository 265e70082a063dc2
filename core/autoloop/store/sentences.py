"""The migration from schema 3, the only code that parses sentences: up to version 0.1.0, they were how state was stored.

An unrecognised sentence becomes a kind that does not affect how the loop resumes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from autoloop.model import (
    ActorKind,
    ApprovalMode,
    EventKind,
    LapseKind,
    LoopEndKind,
    LoopState,
    RequeueKind,
    RunState,
    StopKind,
)

Document = dict[str, Any]

STOPS = (
    ("the loop was stopped", StopKind.LOOP_STOP),
    ("it fell back from the GPU to the CPU", StopKind.CPU_FALLBACK),
    ("its training was complete, but its process did not end", StopKind.OVERSTAYED),
    ("live rule ", StopKind.LIVE_RULE),
)
REQUEUES = (
    ("goes on when the loop is resumed", RequeueKind.LOOP_STOP),
    ("goes on from its checkpoint", RequeueKind.EXTENDED),
    ("its process never started", RequeueKind.NEVER_STARTED),
    ("it waits until the machine has room", RequeueKind.SHORTAGE),
    ("retry ", RequeueKind.RETRY),
)
LAPSES = (
    ("the run ended before anybody decided", LapseKind.RUN_ENDED),
    ("the run ended by itself before it was stopped", LapseKind.RUN_ENDED_FIRST),
)
ENDS = (
    ("stopped by Ctrl-C", LoopEndKind.SIGNAL),
    ("stopped by --max-hours", LoopEndKind.LIMIT),
    ("stopped by --max-runs", LoopEndKind.LIMIT),
    ("stopped by ", LoopEndKind.USER),
    ("every run would fail as ", LoopEndKind.FAILS_FOR_ALL),
    ("no run of the round finished", LoopEndKind.NO_RUN_FINISHED),
    ("no approved proposal could be started", LoopEndKind.BASES_CHANGED),
    ("No next-round jobs were generated", LoopEndKind.NO_PROPOSALS),
    ("every proposal for round ", LoopEndKind.ALL_BLOCKED),
    ("its round", LoopEndKind.ROUNDS_DONE),
)


def make_typed(db: sqlite3.Connection) -> None:
    """Give the rows of schema 3 kinds, in addition to their sentences or instead of them."""
    _rewrite(db, "loops", _loop)
    _rewrite(db, "runs", _run)
    _rewrite(db, "attempts", _attempt)
    _rewrite(db, "proposals", _proposal)
    _rewrite(db, "events", _event)


def _rewrite(db: sqlite3.Connection, table: str, change: Callable[[Document], None]) -> None:
    """Change the bodies of a table, with one in memory at a time: a loop may have hundreds of thousands of events."""
    for (key,) in db.execute(f"SELECT id FROM {table}").fetchall():
        before = db.execute(f"SELECT body FROM {table} WHERE id = ?", (key,)).fetchone()[0]
        document = json.loads(before)
        change(document)
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        if body != before:
            db.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (body, key))


def _loop(loop: Document) -> None:
    reason = loop.pop("reason", None)
    if reason is not None:
        loop["end"] = {"kind": _end_kind(reason, loop.get("state")), "text": reason}
    spec = loop.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("approve"), str):
        mode, _, seconds = spec["approve"].partition(":")
        spec["approve"] = {"mode": mode, "after": float(seconds)} if mode == ApprovalMode.AFTER else {"mode": mode}


def _end_kind(reason: str, state: str | None) -> LoopEndKind:
    if kind := next((kind for start, kind in ENDS if reason.startswith(start)), None):
        return kind
    if " meets --until " in reason:
        return LoopEndKind.WINNER
    if " ran out of memory; the last: " in reason:
        return LoopEndKind.OUT_OF_MEMORY
    if " runs in a row failed before their first step" in reason:
        return LoopEndKind.EARLY_FAILURES
    return LoopEndKind.ROUNDS_DONE if state == LoopState.FINISHED or reason.startswith("all ") else LoopEndKind.UNKNOWN


def _run(run: Document) -> None:
    if run.get("state", RunState.QUEUED) != RunState.QUEUED or not run.get("attempts"):
        return
    reason = run.get("reason") or ""
    run["requeued"] = next((kind for start, kind in REQUEUES if reason.startswith(start)), RequeueKind.USER)


def _attempt(attempt: Document) -> None:
    reason = attempt.pop("stop_reason", None)
    if reason is not None:
        kind = next((kind for start, kind in STOPS if reason.startswith(start)), StopKind.USER)
        attempt["stop"] = {"kind": kind, "text": reason}


def _proposal(proposal: Document) -> None:
    if isinstance(proposal.get("author"), str):
        proposal["author"] = _actor(proposal["author"])
    if isinstance(proposal.get("decided_by"), str):
        decided_by = proposal["decided_by"]
        proposal["decided_by"] = {"kind": ActorKind.POLICY} if decided_by == "policy" else _actor(decided_by)
    if proposal.get("status") == "lapsed":
        why = (proposal.get("note") or "").removeprefix("lapsed: ")
        proposal["note"] = why
        proposal["lapsed"] = next((kind for start, kind in LAPSES if why.startswith(start)), LapseKind.ROUND_STARTED)


def _actor(text: str) -> Document:
    if text == "default":
        return {"kind": ActorKind.DEFAULT}
    rule = text.removeprefix("rule:")
    return {"kind": ActorKind.PERSON if rule == text else ActorKind.RULE, "name": rule}


def _event(event: Document) -> None:
    if event.get("kind") not in list(EventKind):
        event["kind"] = EventKind.NOTE
    if event["kind"] != EventKind.NOTE:
        return
    text = event.get("text", "")
    if text.startswith("Wrote variant: "):
        event["kind"] = EventKind.VARIANT_WRITTEN
    elif text.startswith("the engine leaves ("):
        event["kind"] = EventKind.ENGINE_LEFT
