"""Ends the processes of an attempt whose supervisor is gone, found by the mark in their environment.

Standard library only, because it is sent to other hosts.
"""

from __future__ import annotations

import os
import select
import signal
import time

from autoloop.runners import procfs


def sweep(attempt_id: str, directory: str | os.PathLike[str] | None = None, *, grace: float = 1.0) -> int:
    """End the processes with the attempt's mark and their descendants: SIGTERM, `grace` seconds, then SIGKILL.

    For attempts whose supervisor vanished. With the attempt's `directory`, processes of the same attempt in another copy
    of the project are spared. Returns the number of processes found; one that survives three SIGKILLs (stuck in the
    kernel) is left.
    """
    met: set[tuple[int, int]] = set()
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):
        met |= _orphans(attempt_id, directory)
        if not _signal_and_wait(met, number, grace):
            break
    return len(met)


def _signal_and_wait(targets: set[tuple[int, int]], number: int, grace: float) -> bool:
    """Signal each (pid, start time), wait at most `grace` seconds for all to end. Returns False if none was alive."""
    poll = select.poll()
    left: set[int] = set()
    for pid, start_time in targets:
        if (fd := procfs.open_alive(pid, start_time)) is not None:
            procfs.send(pid, start_time, number, signal.SIGCONT)
            poll.register(fd, select.POLLIN)
            left.add(fd)
    alive = bool(left)
    deadline = time.monotonic() + grace
    while left and (remaining := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(remaining * 1000):
            poll.unregister(fd)
            os.close(fd)
            left.discard(fd)
    for fd in left:
        os.close(fd)
    return alive


def _orphans(attempt_id: str, directory: str | os.PathLike[str] | None) -> set[tuple[int, int]]:
    """Return (pid, start time) of the live processes that carry the mark or descend from one that does."""
    mark = f"\0{procfs.MARK}={attempt_id}\0".encode()
    place = f"\0{procfs.MARK_PLACE}=".encode()
    try:
        here = place + procfs.place_of(os.fspath(directory)).encode() + b"\0" if directory else b""
    except OSError:
        here = b""
    seen = {pid: found for pid, found in procfs.processes().items() if found.state not in procfs.DEAD}
    ours = set()
    for pid in seen:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environ = b"\0" + file.read()
        except OSError:  # another user's, or it has just ended
            continue
        if mark in environ and (here in environ or place not in environ):
            ours.add(pid)
    ours |= procfs.descendants(ours, seen)
    return {(pid, seen[pid].start_time) for pid in ours - {os.getpid()}}
