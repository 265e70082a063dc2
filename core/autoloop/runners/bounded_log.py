"""A log of limited size: its head and its newest part are kept, and a line between them says how much was left out.

The command appends to the file directly. When the file exceeds the limit, the supervisor moves the newest part forward over
the middle and truncates the file. Readers use `left_out` and `moved` to find where to continue.
Standard library only, and no modules that are slow to import, because every supervisor loads this.
"""

from __future__ import annotations

import os
import time

HEAD = 1 << 20
"""Bytes at the start that are always kept; the line that reports the cut follows them."""
SMALLEST = 4 << 20

_START, _END = b"\n[autoloop: ", b" bytes of this log were left out here; max_log_mb in autoloop.toml is its limit]\n"
_DIGITS = 15
LENGTH = len(_START) + _DIGITS + len(_END)

_CHUNK = 1 << 20
_ROUNDS = 8
_SLOWEST, _QUICKEST = 1.0, 0.02


def left_out(fd: int) -> int:
    """Return the number of bytes cut out of the log open as `fd`. Raises OSError."""
    line = os.pread(fd, LENGTH, HEAD)
    number = line[len(_START) : -len(_END)].strip()
    return int(number) if line.startswith(_START) and line.endswith(_END) and number.isdigit() else 0


def moved(offset: int, before: int, now: int) -> int:
    """Return the current position of the byte that was at `offset` when `before` bytes were left out; now `now` bytes are.

    If that byte was cut out too, return the position of the first byte after the cut.
    """
    if now <= before or offset <= HEAD:
        return offset
    written = offset - LENGTH + before if before else offset
    return max(HEAD + LENGTH, written - now + LENGTH)


class BoundedLog:
    """Keeps the log that is open for appending as `fd` within `limit` bytes; it may exceed them by one burst of writes."""

    def __init__(self, fd: int, limit: int) -> None:
        self.fd = fd
        self.limit = max(limit, SMALLEST)
        self._size = 0
        self._looked = time.monotonic()
        self._next = self._looked + 0.1

    def tend(self) -> float:
        """Check the size if it is time to, and cut the log if needed. Returns the seconds until the next check."""
        now = time.monotonic()
        if now >= self._next:
            try:
                speed = (os.fstat(self.fd).st_size - self._size) / max(now - self._looked, 0.001)
            except OSError:
                speed = 0.0
            self._size, self._looked = self.fit(), now
            # Check a fast writer before it can fill more than half of the remaining space.
            soon = (self.limit - self._size) / 2 / speed if speed > 0 else _SLOWEST
            self._next = time.monotonic() + min(max(soon, _QUICKEST), _SLOWEST)
        return max(0.0, self._next - now)

    def fit(self) -> int:
        """Cut the log if it is too long and return its size; 0 if that fails (a bad disk)."""
        try:
            size = os.fstat(self.fd).st_size
            return self._cut(size) if size > self.limit else size
        except OSError:
            return 0

    def _cut(self, size: int) -> int:
        # Reopened through /proc: the same file even if its name is gone; without O_APPEND, to write in the middle.
        fd = os.open(f"/proc/self/fd/{self.fd}", os.O_RDWR | os.O_CLOEXEC)
        try:
            before = left_out(fd)
            first = HEAD + LENGTH if before else HEAD
            source = size - (self.limit - HEAD - LENGTH) // 2
            source += os.pread(fd, 1 << 16, source).find(b"\n") + 1
            target, gone = HEAD + LENGTH, before + source - first
            for _ in range(_ROUNDS):  # also move what is written in the meantime
                end = os.fstat(fd).st_size
                while source < end and (piece := os.pread(fd, min(_CHUNK, end - source), source)):
                    target += os.pwrite(fd, piece, target)
                    source += len(piece)
            os.pwrite(fd, _line(gone), HEAD)
            missed = os.fstat(fd).st_size - source
            os.ftruncate(fd, target)
            if missed > 0:  # written between the last copy and the truncation
                os.pwrite(fd, _line(gone + missed), HEAD)
            return target
        finally:
            os.close(fd)


def _line(gone: int) -> bytes:
    return b"%s%*d%s" % (_START, _DIGITS, gone, _END)
