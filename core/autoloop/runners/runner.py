"""What the engine asks of every place where attempts run: this machine, a cluster, another host.

An attempt is known by its own id, whatever a place calls it. How it ended is told by the files that its supervisor leaves in
its folder, never by the place alone. No call waits for another machine: what takes time is done by a thread of the runner,
and `news` hands over what has come of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from autoloop.gpus import Asker
from autoloop.model import Attempt, ExitRecord, Taken


class AttemptSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One command to run. `directory` belongs to this attempt alone; `stop` is (signal name, seconds of grace)."""

    attempt_id: str
    argv: Sequence[str]
    cwd: str
    directory: Path
    stop: Sequence[tuple[str, float]] = (("INT", 10.0), ("TERM", 10.0), ("KILL", 0.0))
    straggler_grace: float = 15.0
    """Seconds that processes may outlive the command (a logger that finishes its upload) before they are killed."""
    max_log: int = 256 << 20
    """Bytes; of a longer log the middle is left out."""
    given: Mapping[str, str] = {}
    """What of the environment is set for this attempt, without secrets: all that another machine takes over of it."""


def write_spec(spec: AttemptSpec) -> None:
    """Make the attempt's folder, and write what its supervisor reads there. OSError."""
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


class Ended(msgspec.Struct, frozen=True):
    """`taken`: its place ended it, and not we."""

    record: ExitRecord
    taken: Taken | None = None


class Vanished(msgspec.Struct, frozen=True):
    """No supervisor and no exit record. `started` is False where the command certainly never ran and never will.

    `ours` is False where what carries the attempt's name may belong to another copy of the project.
    """

    reason: str
    started: bool = True
    ours: bool = True
    taken: Taken | None = None


End = Ended | Vanished


class Followed(msgspec.Struct, frozen=True):
    """An attempt that is not over as far as is known: `news` will tell of its end. `handle` is None while its place has
    none for it."""

    handle: dict[str, Any] | None
    how: str = "and is being followed again"


class Handed(msgspec.Struct, frozen=True):
    """The place has taken the attempt, and finds it again by `handle`."""

    handle: dict[str, Any]


class Waits(msgspec.Struct, frozen=True):
    """The place has the attempt and has not begun it."""

    why: str


class Runs(msgspec.Struct, frozen=True):
    """Its command runs since `since`, on the machine `node`."""

    since: float
    node: str


News = tuple[str, Handed | Waits | Runs | End]
"""Of an attempt, by its id. After an `End` its runner has forgotten it."""


class Runner(Protocol):
    """One place. Only the engine's thread calls it. The folder and the output directory of an attempt that is followed are
    kept up to date on this machine: readers of logs and histories know nothing of places."""

    @property
    def trouble(self) -> str | None:
        """Since when and why the place does not answer, in words; what it was told to do waits. None while it does."""

    @property
    def gpus(self) -> Asker | None:
        """The GPUs of its machine; None where the place chooses them itself, and lets runs wait for them."""

    @property
    def loads(self) -> Asker | None:
        """The same without who computes on them, for samples every few seconds."""

    def submit(self, attempt: Attempt, spec: AttemptSpec, env: Mapping[str, str]) -> dict[str, Any] | None:
        """Start an attempt, or see to it that it will be; its handle if that is known at once. From here on it is followed.

        `env` is the command's whole environment, and is written nowhere by us. The folder of the attempt's folder exists.
        OSError or ValueError if it certainly cannot be started.
        """

    def reattach(self, attempt: Attempt) -> Followed | End:
        """Follow an attempt that an earlier engine submitted, or died before it could."""

    def stop(self, attempt: Attempt, *, kill: bool) -> None:
        """Ask for the end of an attempt, by its ladder of signals or by SIGKILL. Its end is told by `news`."""

    def fileno(self) -> int:
        """Becomes readable when there are news."""

    def news(self) -> list[News]:
        """What has happened since the last call."""

    def any_left(self) -> bool:
        """Whether any attempt that is followed has not ended. Changes nothing."""

    def close(self) -> None:
        """Follow nothing any more. Attempts go on."""
