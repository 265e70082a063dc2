"""Processes as they can be seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from autoloop.model import Attempt
from autoloop.runners import local, procfs

from tests.support.waiting import PATIENCE


def alive(pid: int) -> bool:
    """Whether a process lives; one that only nobody has collected yet does not."""
    found = procfs.process(pid)
    return found is not None and found.state not in procfs.DEAD


def supervisor_of(attempt: Attempt) -> local.Handle | None:
    """The attempt's supervisor, as itself recorded it, while it lives."""
    folder = Path(attempt.directory)
    for name in ("start.json", "claim"):
        try:
            handle = local.Handle.from_dict(json.loads((folder / name).read_text()))
        except (OSError, ValueError):
            continue
        return handle if local.is_running(folder, handle) else None
    return None


def supervisor_pid(attempt: Attempt) -> int | None:
    handle = supervisor_of(attempt)
    return handle.pid if handle else None


def reap(pid: int) -> None:
    """Collect a child that has ended; any other process is left alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def await_end(pid: int, what: str = "the process", *, number: int | None = None) -> None:
    """Wait until a process has ended, and collect it if it is ours. `number`: the signal that it gets first."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, number)
        assert select.select([fd], [], [], PATIENCE)[0], f"{what} does not end"
    finally:
        os.close(fd)
    reap(pid)


@contextlib.contextmanager
def bystander() -> Iterator[int]:
    """The pid of a process that does nothing, with no descriptors but the standard ones. A test's own process cannot pass
    for a supervisor: one of its many descriptors may have the number by which a supervisor's folder is known."""
    process = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
