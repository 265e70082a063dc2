"""Runs attempts on this machine: starts a supervisor for each, finds it after a restart, and reports how it ended.

The files in an attempt's directory are authoritative. A process is identified by boot id, PID namespace, pid and start
time, never by its pid alone. A supervisor in another PID namespace of this machine (a container) cannot be seen or signalled
from here: its state is read from its files and their heartbeat, and requests to it are files.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autoloop.model import ExitRecord
from autoloop.model.structs import convert
from autoloop.runners import procfs, records
from autoloop.runners.runner import AttemptExit, AttemptLoss, AttemptSpec, write_spec
from autoloop.runners.sweeping import sweep as sweep

SUPERVISOR = Path(__file__).with_name("supervisor.py")

SILENCE = 12 * records.BEAT
"""Seconds without a heartbeat after which a supervisor in another container is assumed to have ended."""

_spawned: set[int] = set()
"""Supervisors that are children of this process and have not been reaped yet."""


class Handle(msgspec.Struct, frozen=True, kw_only=True):
    """Identifies a supervisor uniquely and permanently. `start_time` is in clock ticks since the boot `boot_id`."""

    pid: int
    start_time: int
    boot_id: str
    host: str
    pid_ns: int = 0
    """The number of the PID namespace; 0 in records of earlier versions, meaning ours."""

    @property
    def elsewhere(self) -> bool:
        """Whether it is in another PID namespace of this machine, so that its pid is meaningless here."""
        return self.boot_id == procfs.boot_id() and self.pid_ns not in (0, procfs.pid_namespace())

    def to_dict(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Handle:
        """Accepts any mapping with the four required fields, such as a start.json. Raises ValueError otherwise."""
        return convert(dict(value), cls)


class Alive(msgspec.Struct, frozen=True):
    handle: Handle


State = Alive | AttemptExit | AttemptLoss


def start(spec: AttemptSpec, env: Mapping[str, str]) -> Handle:
    """Start the attempt's supervisor. `env` is the command's complete environment and is not written to disk.

    Creates the directory, whose parent must exist. Returns before the command runs; the exit record states whether the
    command could be started. Raises OSError if the directory cannot be written or no process can be created.
    """
    write_spec(spec)
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", str(SUPERVISOR), str(spec.directory)],
        env,
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)],
        setsid=True,
        # Blocked from its first instruction, so that a stop during its start stays pending instead of ending it.
        setsigmask=[signal.SIGTERM, signal.SIGUSR1],
        setsigdef=[signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD],
    )
    _spawned.add(pid)
    return Handle.from_dict(procfs.identity(pid))


def reap() -> None:
    """Reap the supervisors of this process that have ended, so that none stays a zombie. Other children are not touched."""
    for pid in tuple(_spawned):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _spawned.discard(pid)


def open_pidfd(handle: Handle) -> int | None:
    """Return a descriptor that becomes readable when the supervisor ends, or None if it has ended. The caller closes it."""
    if handle.boot_id != procfs.boot_id() or handle.elsewhere:
        return None
    return procfs.open_alive(handle.pid, handle.start_time)


def has_ended(pidfd: int) -> bool:
    """Whether the process of a pidfd has ended."""
    return bool(select.select([pidfd], [], [], 0)[0])


def is_running(directory: Path, handle: Handle) -> bool:
    """Whether the attempt's supervisor is alive, as far as a single check can tell. Changes nothing."""
    if handle.elsewhere:
        return not (directory / "exit.json").exists() and time.time() - Pulse(directory).at < SILENCE
    fd = open_pidfd(handle)
    if fd is None:
        return False
    os.close(fd)
    return not _of_another_copy(directory, handle)


def seems_alive(directory: Path, handle: Handle | None) -> bool:
    """Like `is_running`, but if no handle was stored, the attempt's own files identify its supervisor."""
    handle = handle or _recorded_handle(directory)
    return handle is not None and is_running(directory, handle)


def marked(attempts: Sequence[tuple[str, Path]]) -> set[str]:
    """Return the ids of the attempts of which a live process carries the mark. `attempts` are pairs of id and directory."""
    seen: set[tuple[bytes, bytes]] = set()
    for pid, found in procfs.processes().items():
        if found.state in procfs.DEAD:
            continue
        with contextlib.suppress(OSError):  # another user's, or it has just ended
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            if procfs.MARK.encode() not in environ:
                continue
            variables = dict(part.partition(b"=")[::2] for part in environ.split(b"\0"))
            if mark := variables.get(procfs.MARK.encode()):
                seen.add((mark, variables.get(procfs.MARK_PLACE.encode(), b"")))
    living = set()
    for attempt_id, directory in attempts:
        try:
            here = procfs.place_of(str(directory)).encode()
        except OSError:
            here = b""
        places = {place for mark, place in seen if mark == attempt_id.encode()}
        if places and (not here or places & {here, b""}):
            living.add(attempt_id)
    return living


class Pulse:
    """The heartbeat of a supervisor in another container, timed by our monotonic clock, because wall clocks can be set."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.at = self._look()
        self._heard = time.monotonic()

    def silent(self) -> bool:
        """Whether the heartbeat has not changed for `SILENCE` seconds of observation, so the supervisor must have ended."""
        if (at := self._look()) != self.at:
            self.at, self._heard = at, time.monotonic()
        return time.monotonic() - self._heard > SILENCE

    def _look(self) -> float:
        try:
            return (self.directory / "claim").stat().st_mtime
        except OSError:
            return 0.0


def give_up(directory: Path) -> None:
    """Leave a request to kill: if a supervisor in another container was only suspended, it ends its command on resuming."""
    with contextlib.suppress(OSError):
        records.ask(str(directory), "kill")


def request_stop(handle: Handle, directory: Path | None = None, *, kill: bool = False) -> bool:
    """Ask the supervisor to stop its command by the signal ladder, or to kill it. Returns False if the supervisor is gone.

    `directory` is that of the attempt; without it, a supervisor in another container cannot be asked.
    """
    if handle.elsewhere:
        if directory is None or not is_running(directory, handle):
            return False
        try:
            records.ask(str(directory), "kill" if kill else "stop")
        except OSError:
            return False
        return True
    if handle.boot_id != procfs.boot_id():
        return False
    return procfs.send(handle.pid, handle.start_time, signal.SIGUSR1 if kill else signal.SIGTERM)


def inspect(directory: Path, attempt_id: str, handle: Handle | None = None, *, patience: float = 1.0) -> State:
    """Return the state of an attempt, from its files and the process table.

    Without a handle (the engine died before it stored one), claim and start.json identify the supervisor. If a supervisor
    may still be starting, waits up to `patience` seconds for its claim. Then the attempt is fenced off: a supervisor that
    starts later refuses to run, so the result stays correct.
    """
    if (record := exit_record(directory, attempt_id)) is not None:
        return AttemptExit(record)
    if handle is None:
        handle = _recorded_handle(directory) or _await_claim(directory, patience)
        if handle is None:
            return AttemptLoss("it was never started", started=False)
    if is_running(directory, handle):
        return Alive(handle)
    if (fd := open_pidfd(handle)) is not None:
        os.close(fd)
        return AttemptLoss("it was started by the project that this one was copied from, and continues there", ours=False)
    # It may have written its record and ended since the first check.
    if (record := exit_record(directory, attempt_id)) is not None:
        return AttemptExit(record)
    return _vanished(directory, handle)


def _of_another_copy(directory: Path, handle: Handle) -> bool:
    """Whether the supervisor's folder belongs to another copy of the project. A folder that was moved is still this one."""
    try:
        return procfs.place_of(f"/proc/{handle.pid}/fd/{procfs.PLACE}") != procfs.place_of(str(directory))
    except OSError:  # just started, or an earlier version; or the folder is gone, and we assume ours
        return False


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def exit_record(directory: Path, attempt_id: str) -> ExitRecord | None:
    record = _read(directory / "exit.json")
    if record is None or record.get("attempt_id") != attempt_id:
        return None
    try:
        return convert(record, ExitRecord)
    except msgspec.ValidationError:
        return None


def _recorded_handle(directory: Path) -> Handle | None:
    """Return the supervisor's handle from start.json or, before that is written, from the claim."""
    for name in ("start.json", "claim"):
        record = _read(directory / name)
        if record is not None:
            try:
                return Handle.from_dict(record)
            except msgspec.ValidationError:
                continue
    return None


def _await_claim(directory: Path, patience: float) -> Handle | None:
    """Wait for a supervisor that may be starting, then fence the attempt off. None means that there never will be one."""
    deadline = time.monotonic() + (patience if (directory / "spec.json").exists() else 0.0)
    while (handle := _recorded_handle(directory)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if handle is not None:
        return handle
    directory.mkdir(mode=0o700, exist_ok=True)
    if not records.claim(str(directory), {"fenced_by": os.getpid()}):
        # A supervisor claimed it at the last moment, or it was fenced off earlier.
        time.sleep(0.01)
    return _recorded_handle(directory)


def _vanished(directory: Path, handle: Handle) -> AttemptLoss:
    host = os.uname().nodename
    if handle.elsewhere:
        reason = f"it was started in another container, and its supervisor there has been silent for over {SILENCE:.0f} s"
        return AttemptLoss(reason, ours=False)
    if handle.boot_id != procfs.boot_id():
        if handle.host == host:
            return AttemptLoss("the machine was restarted while it ran")
        return AttemptLoss(f"it was started on {handle.host}, and this is {host}")
    if not directory.exists():
        return AttemptLoss(f"its directory {directory} is gone, including the record of how it ended")
    if not (directory / "log.txt").exists():  # created before the command is started
        return AttemptLoss("its supervisor exited before it could start the command (disk full?)", started=False)
    if not (directory / "start.json").exists():
        return AttemptLoss("its supervisor exited before it recorded the start")
    return AttemptLoss("its supervisor was killed, so how the command ended was not recorded")
