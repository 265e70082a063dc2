"""The interface between the engine and every place where attempts run: this machine, a cluster, another host.

An attempt is identified by its own id, whatever a place calls it. How it ended is read from the files that its supervisor
leaves in its folder, never from the place alone. No call waits for another machine: a thread of the runner does the slow
work, and `news` returns the results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from autoloop.gpus import GpuSource
from autoloop.model import Attempt, ExitRecord, Taken


class AttemptSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One command to run. `directory` belongs to this attempt alone; `stop` lists (signal name, seconds of grace)."""

    attempt_id: str
    argv: Sequence[str]
    cwd: str
    directory: Path
    stop: Sequence[tuple[str, float]] = (("INT", 10.0), ("TERM", 10.0), ("KILL", 0.0))
    straggler_grace: float = 15.0
    """Seconds for which processes may outlive the command (a logger that finishes its upload) before they are killed."""
    max_log: int = 256 << 20
    """Maximum bytes of the log; the middle of a longer log is left out."""
    given: Mapping[str, str] = {}
    """The environment variables set for this attempt, without secrets: the only ones that another machine adopts."""


def write_spec(spec: AttemptSpec) -> None:
    """Create the attempt's folder and write the spec.json that its supervisor reads. Raises OSError."""
    body = {
        "attempt_id": spec.attempt_id,
        "argv": list(spec.argv),
        "cwd": spec.cwd,
        "stop": [list(step) for step in spec.stop],
        "straggler_grace": spec.straggler_grace,
        "max_log": spec.max_log,
    }
    spec.directory.mkdir(mode=0o700, exist_ok=True)
    (spec.directory / "spec.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


class AttemptExit(msgspec.Struct, frozen=True):
    """The attempt left an exit record. `taken` is set if its place ended it, not this loop."""

    record: ExitRecord
    taken: Taken | None = None


class AttemptLoss(msgspec.Struct, frozen=True):
    """There is neither a supervisor nor an exit record. `started` is False if the command never ran and never will.

    `ours` is False if the processes with the attempt's id may belong to another copy of the project.
    """

    reason: str
    started: bool = True
    ours: bool = True
    taken: Taken | None = None


End = AttemptExit | AttemptLoss


class OngoingAttempt(msgspec.Struct, frozen=True):
    """The attempt has not ended as far as is known; `news` will report its end. `handle` is None until its place has one
    for it."""

    handle: dict[str, Any] | None
    how: str = "and is being followed again"


class Acceptance(msgspec.Struct, frozen=True):
    """The place has accepted the attempt and can find it again by `handle`."""

    handle: dict[str, Any]


class PlaceWait(msgspec.Struct, frozen=True):
    """The place has the attempt but has not started it."""

    why: str


class CommandStart(msgspec.Struct, frozen=True):
    """Its command has been running since `since` (Unix seconds) on the machine `node`."""

    since: float
    node: str


News = tuple[str, Acceptance | PlaceWait | CommandStart | End]
"""An attempt's id and what happened to it. After an `End`, the runner no longer knows the attempt."""


class Runner(Protocol):
    """One place. Only the engine's thread calls it. It keeps the folder and the output directory of a followed attempt up to
    date on this machine, so readers of logs and histories need not know about places."""

    @property
    def trouble(self) -> str | None:
        """Why the place does not answer and since when, for users; requests to it wait. None while it answers."""

    @property
    def gpus(self) -> GpuSource | None:
        """The GPUs of its machine; None if the place assigns GPUs and queues runs itself."""

    @property
    def loads(self) -> GpuSource | None:
        """The same without the processes on them, for samples every few seconds."""

    def submit(self, attempt: Attempt, spec: AttemptSpec, env: Mapping[str, str]) -> dict[str, Any] | None:
        """Start or queue an attempt and follow it. Returns its handle if that is known immediately.

        `env` is the command's complete environment, and we do not write it to disk. The parent of the attempt's folder
        exists. Raises OSError or ValueError if the attempt certainly cannot be started.
        """

    def reattach(self, attempt: Attempt) -> OngoingAttempt | End:
        """Follow an attempt that an earlier engine submitted, or was about to submit when it died."""

    def stop(self, attempt: Attempt, *, kill: bool) -> None:
        """Ask for the end of an attempt, by its ladder of signals or by SIGKILL. `news` reports the end."""

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when there is news."""

    def news(self) -> list[News]:
        """Return the news since the last call."""

    def any_left(self) -> bool:
        """Whether any followed attempt has not ended. Changes nothing."""

    def close(self) -> None:
        """Stop following attempts; they continue to run."""
