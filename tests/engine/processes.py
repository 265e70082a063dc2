"""What can be seen of attempts and their processes from outside: in their files and in the process table."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from autoloop.model import Attempt, Run, RunState
from autoloop.runners import local, procfs

PATIENCE = 30.0
"""Seconds after which something that must happen is taken not to happen."""


def eventually(condition: Callable[[], Any], what: str = "it") -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)
    return value


def reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # not ours, or collected already
        os.waitpid(pid, 0)


def alive(pid: int) -> bool:
    """Whether a process lives; one that only nobody has collected yet does not."""
    found = procfs.process(pid)
    return found is not None and found.state not in procfs.DEAD


def supervisor_pid(attempt: Attempt) -> int | None:
    """The pid of the attempt's supervisor, as itself recorded it, while it lives."""
    for name in ("start.json", "claim"):
        try:
            record = json.loads((Path(attempt.directory) / name).read_text())
            handle = local.Handle.from_dict(record)
        except (OSError, ValueError):
            continue
        fd = local.open_pidfd(handle)
        if fd is None:
            return None
        os.close(fd)
        return handle.pid
    return None


def span(attempt: Attempt) -> tuple[float, float]:
    """When the command of an ended attempt ran, from the files of its supervisor; where that was killed, till the engine
    gave its slot free."""
    start = json.loads((Path(attempt.directory) / "start.json").read_text())["started_at"]
    try:
        return float(start), float(json.loads((Path(attempt.directory) / "exit.json").read_text())["ended_at"])
    except FileNotFoundError:
        assert attempt.ended_at is not None
        return float(start), attempt.ended_at


def seen(run: Run) -> dict[str, Any]:
    """What the trainer of a run was given."""
    assert run.output_dir is not None
    value = json.loads((Path(run.output_dir) / "seen.json").read_text())
    assert isinstance(value, dict)
    return value


def states(runs: Iterable[Run]) -> list[RunState]:
    return [run.state for run in runs]
