"""Processes as they can be seen from outside."""

from __future__ import annotations

import contextlib
import os
import select

from autoloop.runners import procfs

from tests.support.waiting import PATIENCE


def alive(pid: int) -> bool:
    """Whether a process lives; one that only nobody has collected yet does not."""
    found = procfs.process(pid)
    return found is not None and found.state not in procfs.DEAD


def reap(pid: int) -> None:
    """Collect a child that has ended; any other process is left alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def await_end(pid: int, what: str = "the process") -> None:
    """Wait until a process has ended, and collect it if it is ours."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], PATIENCE)[0], f"{what} does not end"
    finally:
        os.close(fd)
    reap(pid)
