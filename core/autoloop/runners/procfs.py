"""Processes by /proc and pidfd: who they are, what descends from whom, and signals that cannot hit the wrong one.

Standard library only, and no module that is slow to import: every supervisor loads this.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

MARK = "AUTOLOOP_ATTEMPT"
"""Environment variable that every process of an attempt carries: finds them when their supervisor is gone."""

MARK_PLACE = "AUTOLOOP_PLACE"
"""Another, the attempt's folder as `place_of` names it: a copy of a project has attempts of the same names."""

PLACE = 63
"""A supervisor's descriptor of its attempt's folder, by which others know whose it is; higher than any that Python has open
while it starts."""

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
    """What /proc says of a process; None when there is none. A zombie is there, with its state."""
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
    """All processes that can be seen, by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (seen := process(int(entry))):
            found[int(entry)] = seen
    return found


def descendants(roots: set[int], seen: dict[int, Process]) -> set[int]:
    """The pids in `seen` that descend from `roots`, without these."""
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
    """A pidfd of exactly this process, which the caller closes; None if it has ended.

    The start time is compared after the pidfd is open: from then on the pid cannot come to mean another process.
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
    """Whether this kernel and this Python have pidfds: from Linux 5.3 on, unless Python was built for an older one."""
    try:
        os.close(os.pidfd_open(os.getpid()))
        return hasattr(signal, "pidfd_send_signal")
    except (AttributeError, OSError):
        return False


def send(pid: int, start_time: int, *numbers: int) -> bool:
    """Send signals to exactly this process. False if it has ended or may not be signalled."""
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
    """A folder as itself, wherever it is moved to; a copy is another one. OSError where there is none."""
    found = os.stat(folder)
    return f"{found.st_dev}:{found.st_ino}"


def pid_namespace() -> int:
    """In which numbering of processes this one lives: every container has its own."""
    return os.stat("/proc/self/ns/pid").st_ino


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def identity(pid: int) -> dict[str, str | int | float | None]:
    """pid, start time, PID namespace, boot id and host: together they name one process for all time."""
    seen = process(pid)
    return {
        "pid": pid,
        "start_time": seen.start_time if seen else 0,
        "pid_ns": pid_namespace(),
        "boot_id": boot_id(),
        "host": os.uname().nodename,
    }


def become_subreaper() -> bool:
    """Orphans of our tree become our children, whatever sessions they make. False where that cannot be had."""
    try:
        import _ctypes  # ctypes itself takes 3 ms to import

        library = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]
        done: int = _ctypes.call_function(_ctypes.dlsym(library, "prctl"), (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except (ImportError, OSError, AttributeError):
        return False
    return done == 0
