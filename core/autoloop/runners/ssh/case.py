"""The state of one attempt in the thread of a host's runner, and its end as derived from the host's answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from autoloop.model import Attempt, ExitRecord, Taken, TakenKind
from autoloop.model.structs import convert
from autoloop.runners import local
from autoloop.runners.runner import AttemptExit, AttemptLoss, AttemptSpec, End
from autoloop.runners.ssh.connection import Machine
from autoloop.runners.ssh.mirror import Mirror

SILENCE = local.SILENCE
SKEW = 2.0
"""Clock differences of up to this many seconds are not corrected."""


@dataclass
class Case:
    """A followed attempt. Times are monotonic."""

    attempt: Attempt
    mirror: Mirror
    submission: tuple[AttemptSpec, Mapping[str, str]] | None = None
    """The pending submission; if the connection was cut, it may have been carried out already."""
    tried: bool = False
    """Whether its start was ever requested."""
    since: float = field(default_factory=time.monotonic)
    """When it was submitted, or taken over from an earlier engine."""
    again: float = 0.0
    """Its start is not retried before this time."""
    begun: bool = False
    said: object = None
    asked: str | None = None
    """`stop` or `kill`, if this loop has requested it."""
    asked_there: str | None = None
    """The part of `asked` that the host has received."""
    followed: bool = False
    """The host reports on it over the current connection."""
    beat: object = None
    heard: float = field(default_factory=time.monotonic)
    """When its heartbeat last changed, by our clock."""
    unseen_since: float | None = None
    """Since when it has been ended without its exit record being visible here."""
    machine: Machine | None = None
    """The machine on which it was started, once known."""
    state: dict[str, Any] = field(default_factory=dict)
    """The latest state reported by the host."""

    @property
    def id(self) -> str:
        return self.attempt.id


def machine_of(attempt: Attempt) -> Machine | None:
    """Return the machine on which it was started; None if not known yet."""
    handle = attempt.handle or {}
    return Machine(str(handle["node"]), str(handle.get("boot", ""))) if handle.get("node") else None


def ours(told: object, skew: float) -> float | None:
    """Convert a time on the host's clock to ours; None if `told` is not a number."""
    if not isinstance(told, int | float):
        return None
    return float(told) + (skew if abs(skew) > SKEW else 0.0)


def exit_record(case: Case, skew: float) -> ExitRecord | None:
    try:
        record = convert(case.state.get("exit"), ExitRecord)
    except msgspec.ValidationError:
        return None
    return msgspec.structs.replace(
        record, started_at=ours(record.started_at, skew), ended_at=ours(record.ended_at, skew) or time.time()
    )


def end_of(case: Case, skew: float) -> End:
    """Return the end of an attempt that left an exit record."""
    record = exit_record(case, skew)
    if record is None:
        return AttemptLoss("its exit record cannot be read")
    if record.stopped_by and not case.asked:
        return AttemptExit(record, Taken(kind=TakenKind.CANCELLED, text="it was stopped on its host, not by this loop"))
    return AttemptExit(record)


def vanished(case: Case, name: str, killed: int) -> AttemptLoss:
    """Return the end of an attempt that left no exit record."""
    state = case.state
    left = f"; {killed} left-over process{'es' if killed > 1 else ''} ended" if killed else ""
    if state["state"] == "none":
        return AttemptLoss(f"its folder on {name} is gone, including the record of how it ended{left}")
    if state.get("rebooted"):
        text = f"{name} was restarted while it ran"
        return AttemptLoss(text, taken=Taken(kind=TakenKind.NODE_LOST, text=text))
    if state.get("elsewhere"):
        return AttemptLoss(f"its supervisor, in a container of {name}, has been silent for over {SILENCE:.0f} s")
    if not state.get("log"):
        return AttemptLoss(
            f"its supervisor on {name} exited before it could start the command (disk full?){left}", started=False
        )
    return AttemptLoss(f"its supervisor on {name} was killed, so how the command ended was not recorded{left}")
