"""Reads the bytes and lines of a file that another process is still writing; all history readers share this.

A file that does not exist yet, is replaced, shrinks or cannot be read is a normal state here and never raises.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from autoloop.runners import bounded_log

MAX_LINE = 1 << 20
"""Bytes; longer lines are dropped, so that a file without line breaks cannot exhaust memory."""


class Tail:
    """A position in a growing file.

    `offset` is where the next read starts; the owner moves it past the consumed bytes. `restarts` counts how often the file
    was replaced or shorter than before: then `offset` is 0 again and the owner must discard the data read so far. With
    `bounded`, the supervisor may cut out the middle of the file: reading continues after the cut, and `left_out` grows.
    """

    def __init__(self, path: Path, *, bounded: bool = False) -> None:
        self.path = path
        self.left_out = 0
        self._bounded = bounded
        self.offset = 0
        self.size = 0
        self.restarts = 0
        self.error: str | None = None
        self._identity: tuple[int, int] | None = None
        self._stamp = (0, 0)
        self._fruitless: tuple[int, int] | None = None

    def look(self) -> bool:
        """Whether reading may yield something: there are bytes after `offset`, and the file has changed since `wait`."""
        try:
            state = os.stat(self.path)
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as problem:
            self.error = f"{self.path} cannot be read: {_reason(problem)}"
            return False
        if not stat.S_ISREG(state.st_mode):  # opening a pipe would block forever
            self.error = f"{self.path} is not a regular file"
            return False
        identity = (state.st_dev, state.st_ino)
        if self._bounded and state.st_size != self.size and identity == (self._identity or identity):
            self._follow_cut(state.st_size)
        if self._identity is not None and (identity != self._identity or state.st_size < self.size):
            self.offset = 0
            self.restarts += 1
            self._fruitless = None
        self._identity = identity
        self.size = state.st_size
        # Include the mtime: on a network file system, the size may be visible before the bytes.
        self._stamp = (state.st_size, state.st_mtime_ns)
        return self.size > self.offset and self._stamp != self._fruitless

    def _follow_cut(self, size: int) -> None:
        try:
            with open(self.path, "rb", buffering=0) as file:
                left_out = bounded_log.left_out(file.fileno()) if size > bounded_log.HEAD else 0
        except OSError:
            return
        if left_out > self.left_out:
            if self._identity is not None:
                self.offset = bounded_log.moved(self.offset, self.left_out, left_out)
            self.size, self._fruitless = size, None
        self.left_out = left_out

    def read(self, limit: int, at: int | None = None) -> bytes:
        """Return up to `limit` bytes from `offset` or `at`; empty at the end of the file or if it cannot be read."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                data = os.pread(file.fileno(), limit, self.offset if at is None else at)
        except OSError as problem:
            self.error = f"{self.path} cannot be read: {_reason(problem)}"
            return b""
        self.error = None
        return data

    def wait(self) -> None:
        """Note that the remaining bytes cannot be used until the file changes."""
        self._fruitless = self._stamp

    @property
    def problems(self) -> list[str]:
        found = [self.error] if self.error else []
        if self.restarts:
            found.append(replaced(self.path))
        return found


def replaced(path: Path) -> str:
    """Return the message for a file that was replaced or truncated."""
    return f"{path} was replaced or cut short while it was read; it was read again from its start"


class Lines:
    """The complete lines of a growing file; an incomplete line is not read yet. With `returns`, `\\r` ends lines too."""

    def __init__(self, path: Path, *, returns: bool = False, bounded: bool = False) -> None:
        self.tail = Tail(path, bounded=bounded)
        self.dropped = 0
        self.more = False
        """Whether the last read stopped only because of its budget."""
        self.rest = b""
        """The bytes after the last complete line; empty if the last read found nothing new."""
        self._returns = returns
        self._dropping = False
        self._restarts = 0

    def skip(self, keep: int) -> bool:
        """Skip all but the last `keep` bytes and drop the line cut by that. Returns whether anything was skipped."""
        passed = self.tail.look() and self.tail.size - self.tail.offset > keep
        if passed:
            self.tail.offset = self.tail.size - keep
            self._dropping = True
        return passed

    def read(self, budget: int) -> list[bytes]:
        """Return the next complete lines without line breaks, from at most `budget` bytes (more if a line is longer)."""
        grown = self.tail.look()
        if self.tail.restarts != self._restarts:
            self._restarts = self.tail.restarts
            self._dropping = False
            self.dropped = 0
        self.more = False
        self.rest = b""
        if not grown:
            return []
        limit = max(budget, 4096)
        data = self.tail.read(limit)
        if len(data) == limit < 2 * MAX_LINE and not any(end in data for end in (b"\n", b"\r" if self._returns else b"\n")):
            limit = 2 * MAX_LINE
            data = self.tail.read(limit)
        self.more = len(data) == limit
        if not self.more:
            self.tail.wait()
        if self._returns:
            data = data.replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        if len(data) - end > MAX_LINE:
            lines = self._complete(data[:end].split(b"\n")[:-1]) if end else []
            if not self._dropping:
                self.dropped += 1
            self._dropping = True
            self.tail.offset += len(data)
            return lines
        self.tail.offset += end
        lines = self._complete(data[:end].split(b"\n")[:-1])
        self.rest = b"" if self._dropping else data[end:]
        return lines

    def take_rest(self) -> None:
        """Treat `rest` as a complete line: reading continues after it."""
        self.tail.offset += len(self.rest)
        self.rest = b""

    def _complete(self, lines: list[bytes]) -> list[bytes]:
        if lines and self._dropping:
            self._dropping = False
            lines = lines[1:]
        kept = [line for line in lines if len(line) <= MAX_LINE]
        self.dropped += len(lines) - len(kept)
        return kept

    @property
    def problems(self) -> list[str]:
        found = self.tail.problems
        if self.dropped:
            found.append(f"{self.tail.path}: {self.dropped} lines longer than {MAX_LINE >> 20} MiB were left out")
        return found


def _reason(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)
