"""One engine per loop: a lock that the kernel releases when its holder dies for any reason."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from autoloop.runners import procfs
from autoloop.store.access import Holder, signature


@dataclass
class EngineLock:
    """Held from `acquire` until `release` or the end of the process."""

    path: Path
    _fd: int | None = None

    def acquire(self) -> Holder | None:
        """Try to take the lock. Returns None on success, otherwise its holder."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        tries = 0
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Either an engine holds it, or a process is calling `holder`, which takes the lock for an instant.
                other, tries = holder(self.path), tries + 1
                if other or tries == 1000:
                    os.close(fd)
                    return other or Holder(pid=0, host="unknown", since=0.0)
                time.sleep(0.001)
        signed = signature(os.pread(fd, 4096, 0))
        if signed is not None and signed.elsewhere:  # a file system may not share locks between machines
            os.close(fd)
            return signed
        self._fd = fd
        self._sign(Holder.me(time.time()))
        return None

    def at_work(self) -> None:
        """Record that the engine has completed its first turn. A full disk is ignored: it must not stop the engine."""
        if self._fd is not None and (me := signature(os.pread(self._fd, 4096, 0))) is not None:
            with contextlib.suppress(OSError):
                self._sign(msgspec.structs.replace(me, at_work=True))

    def _sign(self, me: Holder) -> None:
        # Overwrites in place, padded with spaces, so that a concurrent reader always finds a complete signature.
        if self._fd is not None:
            os.pwrite(self._fd, msgspec.json.encode(me).ljust(512), 0)

    def release(self) -> None:
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


def holder(path: Path) -> Holder | None:
    """The engine that holds the lock at `path` now, or None."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            signed = signature(os.pread(fd, 4096, 0))
            if signed is None:  # just taken, not signed yet
                return Holder(pid=0, host=os.uname().nodename, since=0.0)
            return signed if _lives(signed) else None
        return None
    finally:
        os.close(fd)


def _lives(signed: Holder) -> bool:
    """Whether the engine is alive. It may have died while it started a supervisor: the forked child keeps the lock until it
    has executed its own program."""
    if signed.elsewhere or signed.contained:
        return True
    found = procfs.process(signed.pid)
    return found is not None and found.state not in procfs.DEAD
