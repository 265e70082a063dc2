"""Ends what an attempt left behind whose supervisor is gone, by the mark that all its processes carry.

Standard library only: it travels to other hosts.
"""

from __future__ import annotations

import os
import select
import signal
import time

from autoloop.runners import procfs


def sweep(attempt_id: str, directory: str | os.PathLike[str] | None = None, *, grace: float = 1.0) -> int:
    """End what carries the attempt's mark, and what descends from that: SIGTERM, `grace` seconds, then SIGKILL.

    With the attempt's `directory`, what belongs to the same attempt of another copy of the project is spared.
    For attempts whose supervisor vanished. Returns how many processes there were; one that survives three SIGKILLs
    (stuck in the kernel) is left.
    """
    met: set[tuple[int, int]] = set()
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):
        met |= _orphans(attempt_id, directory)
        if not _signal_and_wait(met, number, grace):
            break
    return len(met)


def _signal_and_wait(targets: set[tuple[int, int]], number: int, grace: float) -> bool:
    """Send to each (pid, start time) and wait until all have ended, at most `grace` seconds. False: none was alive."""
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
    """(pid, start time) of the living processes that carry the mark or descend from one that does."""
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
        except OSError:  # somebody else's, or just gone
            continue
        if mark in environ and (here in environ or place not in environ):
            ours.add(pid)
    ours |= procfs.descendants(ours, seen)
    return {(pid, seen[pid].start_time) for pid in ours - {os.getpid()}}
