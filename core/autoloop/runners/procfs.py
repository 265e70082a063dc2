"""Processes through /proc and pidfd: identity, descendants, and signals that cannot reach the wrong process.

Standard library only, and no modules that are slow to import, because every supervisor loads this.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

MARK = "AUTOLOOP_ATTEMPT"
"""Environment variable set in every process of an attempt, to find them if their supervisor is gone."""

MARK_PLACE = "AUTOLOOP_PLACE"
"""Environment variable with the attempt's folder as `place_of` names it: a copy of a project has the same attempt ids."""

PLACE = 63
"""The descriptor under which a supervisor keeps its attempt's folder open, so that others can identify the folder. It is
higher than any that Python has open while it starts."""

PR_SET_CHILD_SUBREAPER = 36


class Process:
    """One process at one moment: parent pid, process group, state letter, start time in clock ticks since boot."""

    __slots__ = ("group", "parent", "start_time", "state")

    def __init__(self, parent: int, group: int, state: str, start_time: int) -> None:
        self.parent = parent
        self.group = group
        self.state = state
        self.start_time = start_time


DEAD = ("Z", "X")


def process(pid: int) -> Process | None:
    """Return the process from /proc, or None if there is none. A zombie is returned, with its state."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        stat = os.read(fd, 4096)
    except OSError:
        return None
    finally:
        os.close(fd)
    fields = stat.rpartition(b")")[2].split()
    return Process(int(fields[1]), int(fields[2]), fields[0].decode(), int(fields[19]))


def processes() -> dict[int, Process]:
    """Return all visible processes by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (seen := process(int(entry))):
            found[int(entry)] = seen
    return found


def descendants(roots: set[int], seen: dict[int, Process]) -> set[int]:
    """Return the pids in `seen` that descend from `roots`, without `roots`."""
    children: dict[int, list[int]] = {}
    for pid, found in seen.items():
        children.setdefault(found.parent, []).append(pid)
    below: set[int] = set()
    todo = list(roots)
    while todo:
        fresh = [pid for pid in children.get(todo.pop(), ()) if pid not in below and pid not in roots]
        below.update(fresh)
        todo += fresh
    return below


def open_alive(pid: int, start_time: int) -> int | None:
    """Return a pidfd of exactly this process, or None if it has ended. The caller closes it.

    The start time is compared after the pidfd is open, because from then on the pidfd cannot refer to another process.
    """
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    seen = process(pid)
    if seen is None or seen.start_time != start_time or seen.state in DEAD:
        os.close(fd)
        return None
    return fd


def can_open() -> bool:
    """Whether this kernel and this Python support pidfds: Linux 5.3 or later, and a Python not built for an older kernel."""
    try:
        os.close(os.pidfd_open(os.getpid()))
        return hasattr(signal, "pidfd_send_signal")
    except (AttributeError, OSError):
        return False


def send(pid: int, start_time: int, *numbers: int) -> bool:
    """Send signals to exactly this process. Returns False if it has ended or may not be signalled."""
    fd = open_alive(pid, start_time)
    if fd is None:
        return False
    try:
        for number in numbers:
            signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def place_of(folder: str | int) -> str:
    """Identify a folder by device and inode: unchanged by a move, different for a copy. Raises OSError if there is none."""
    found = os.stat(folder)
    return f"{found.st_dev}:{found.st_ino}"


def pid_namespace() -> int:
    """Return the number of this process's PID namespace; every container has its own."""
    return os.stat("/proc/self/ns/pid").st_ino


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def identity(pid: int) -> dict[str, str | int | float | None]:
    """Return pid, start time, PID namespace, boot id and host, which together identify a process permanently."""
    seen = process(pid)
    return {
        "pid": pid,
        "start_time": seen.start_time if seen else 0,
        "pid_ns": pid_namespace(),
        "boot_id": boot_id(),
        "host": os.uname().nodename,
    }


def become_subreaper() -> bool:
    """Make orphans of our tree our children, even if they start new sessions. Returns False if that is not possible."""
    try:
        import _ctypes  # ctypes itself takes 3 ms to import

        library = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]
        done: int = _ctypes.call_function(_ctypes.dlsym(library, "prctl"), (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except (ImportError, OSError, AttributeError):
        return False
    return done == 0
