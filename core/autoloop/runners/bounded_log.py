"""A log that stays below a size: its head and its newest part are kept, and a line between them says what was left out.

The command writes to the file itself, always at its end. When the file has grown too long, the supervisor moves the newest
part forward over the middle and cuts the rest off; whoever reads along finds out by `left_out` and `moved` where to go on.
Standard library only, and no module that is slow to import: every supervisor loads this.
"""

from __future__ import annotations

import os
import time

HEAD = 1 << 20
"""Bytes at the start that are always kept; the line that tells of the cut follows them."""
SMALLEST = 4 << 20

_START, _END = b"\n[autoloop: ", b" bytes of this log were left out here; max_log_mb in autoloop.toml is its limit]\n"
_DIGITS = 15
LENGTH = len(_START) + _DIGITS + len(_END)

_CHUNK = 1 << 20
_ROUNDS = 8
_SLOWEST, _QUICKEST = 1.0, 0.02


def left_out(fd: int) -> int:
    """How many bytes have been cut out of the log that is open as `fd`. OSError passes through."""
    line = os.pread(fd, LENGTH, HEAD)
    number = line[len(_START) : -len(_END)].strip()
    return int(number) if line.startswith(_START) and line.endswith(_END) and number.isdigit() else 0


def moved(offset: int, before: int, now: int) -> int:
    """Where to go on reading after a cut: what stood at `offset` when `before` bytes were left out, now that `now` are.

    If it was cut out itself, the first byte after the cut.
    """
    if now <= before or offset <= HEAD:
        return offset
    written = offset - LENGTH + before if before else offset
    return max(HEAD + LENGTH, written - now + LENGTH)


class BoundedLog:
    """Keeps the log open as `fd` (for appending) at `limit` bytes or less; one write burst later at the latest."""

    def __init__(self, fd: int, limit: int) -> None:
        self.fd = fd
        self.limit = max(limit, SMALLEST)
        self._size = 0
        self._looked = time.monotonic()
        self._next = self._looked + 0.1

    def tend(self) -> float:
        """Look at the size if it is time to, and cut if it is too much; seconds until the next look."""
        now = time.monotonic()
        if now >= self._next:
            try:
                speed = (os.fstat(self.fd).st_size - self._size) / max(now - self._looked, 0.001)
            except OSError:
                speed = 0.0
            self._size, self._looked = self.fit(), now
            # A flood is looked at so often that it can fill only half of what is left.
            soon = (self.limit - self._size) / 2 / speed if speed > 0 else _SLOWEST
            self._next = time.monotonic() + min(max(soon, _QUICKEST), _SLOWEST)
        return max(0.0, self._next - now)

    def fit(self) -> int:
        """Cut the log if it is too long; its size then. Where that fails (a bad disk), the log stays as it is."""
        try:
            size = os.fstat(self.fd).st_size
            return self._cut(size) if size > self.limit else size
        except OSError:
            return 0

    def _cut(self, size: int) -> int:
        # Through /proc, so that it is the same file also when its name is gone; without O_APPEND, to write in the middle.
        fd = os.open(f"/proc/self/fd/{self.fd}", os.O_RDWR | os.O_CLOEXEC)
        try:
            before = left_out(fd)
            first = HEAD + LENGTH if before else HEAD
            source = size - (self.limit - HEAD - LENGTH) // 2
            source += os.pread(fd, 1 << 16, source).find(b"\n") + 1
            target, gone = HEAD + LENGTH, before + source - first
            for _ in range(_ROUNDS):  # what is written meanwhile is taken along
                end = os.fstat(fd).st_size
                while source < end and (piece := os.pread(fd, min(_CHUNK, end - source), source)):
                    target += os.pwrite(fd, piece, target)
                    source += len(piece)
            os.pwrite(fd, _line(gone), HEAD)
            missed = os.fstat(fd).st_size - source
            os.ftruncate(fd, target)
            if missed > 0:  # what came in the last instant of a flood
                os.pwrite(fd, _line(gone + missed), HEAD)
            return target
        finally:
            os.close(fd)


def _line(gone: int) -> bytes:
    return b"%s%*d%s" % (_START, _DIGITS, gone, _END)
