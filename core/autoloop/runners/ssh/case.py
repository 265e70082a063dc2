"""One attempt as the thread of a host's runner knows it, and what it makes of what the host says of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from autoloop.model import Attempt, ExitRecord, Taken, TakenKind
from autoloop.model.structs import convert
from autoloop.runners import local
from autoloop.runners.runner import AttemptSpec, End, Ended, Vanished
from autoloop.runners.ssh.connection import Machine
from autoloop.runners.ssh.mirror import Mirror

SILENCE = local.SILENCE
SKEW = 2.0
"""Seconds of difference between two clocks that are not worth a correction."""


@dataclass
class Case:
    """Times are monotonic."""

    attempt: Attempt
    mirror: Mirror
    submission: tuple[AttemptSpec, Mapping[str, str]] | None = None
    """To be carried out still; it may have been, where the connection was cut meanwhile."""
    tried: bool = False
    """Whether its start was ever asked for."""
    since: float = field(default_factory=time.monotonic)
    """When it was handed over, or taken over."""
    again: float = 0.0
    """Not before this is its start tried again."""
    begun: bool = False
    said: object = None
    asked: str | None = None
    """`stop` or `kill`, by this loop."""
    asked_there: str | None = None
    """What of that the host knows."""
    followed: bool = False
    """The host tells of it, on this connection."""
    beat: object = None
    heard: float = field(default_factory=time.monotonic)
    """When its beat changed last, by our clock."""
    unseen_since: float | None = None
    """Since when it has ended, and its record is not to be seen here."""
    machine: Machine | None = None
    """Where it was started, once that is known."""
    state: dict[str, Any] = field(default_factory=dict)
    """As the host told it last."""

    @property
    def id(self) -> str:
        return self.attempt.id


def machine_of(attempt: Attempt) -> Machine | None:
    """Where it was started; None as long as that is not known."""
    handle = attempt.handle or {}
    return Machine(str(handle["node"]), str(handle.get("boot", ""))) if handle.get("node") else None


def ours(told: object, skew: float) -> float | None:
    """A time of the host on our clock."""
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
    """How one ended that left its record."""
    record = exit_record(case, skew)
    if record is None:
        return Vanished("its exit record cannot be read")
    if record.stopped_by and not case.asked:
        return Ended(record, Taken(kind=TakenKind.CANCELLED, text="it was stopped on its host, not by this loop"))
    return Ended(record)


def vanished(case: Case, name: str, killed: int) -> Vanished:
    """How one ended that left none."""
    state = case.state
    left = f"; {killed} left-over process{'es' if killed > 1 else ''} ended" if killed else ""
    if state["state"] == "none":
        return Vanished(f"its folder on {name} is gone, including the record of how it ended{left}")
    if state.get("rebooted"):
        text = f"{name} was restarted while it ran"
        return Vanished(text, taken=Taken(kind=TakenKind.NODE_LOST, text=text))
    if state.get("elsewhere"):
        return Vanished(f"its supervisor, in a container of {name}, has been silent for over {SILENCE:.0f} s")
    if not state.get("log"):
        return Vanished(
            f"its supervisor on {name} exited before it could start the command (disk full?){left}", started=False
        )
    return Vanished(f"its supervisor on {name} was killed, so how the command ended was not recorded{left}")
