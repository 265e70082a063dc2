"""Processes, observed from outside."""

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
    """Return whether a process is alive; one that has exited but has not been reaped is not."""
    found = procfs.process(pid)
    return found is not None and found.state not in procfs.DEAD


def supervisor_of(attempt: Attempt) -> local.Handle | None:
    """Return the attempt's supervisor, as the supervisor itself recorded it; None if it no longer runs."""
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
    """Reap a child that has ended; other processes are left alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def await_end(pid: int, what: str = "the process", *, number: int | None = None) -> None:
    """Wait until a process has ended, and reap it if it is our child. `number`: a signal to send first."""
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
    """Yield the pid of a process that does nothing and has only the standard file descriptors.

    A test's own process cannot pose as a supervisor: one of its many descriptors may have the number by which a
    supervisor's folder is recognised.
    """
    process = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
