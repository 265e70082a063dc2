"""A growing log file as numbered lines, read as it grows, for any file size, in bounded memory and bounded time per call.

The index has one number per 64 kB chunk of the file: the number of lines that end before it. To find a line, the chunk that
contains its start is read. No text is kept: a 1 GB log takes 128 kB, and a 10 MB line takes two small reads.
"""

from __future__ import annotations

import os
import stat
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from autoloop.runners import bounded_log

from autoloop_tui.console.logs import logtext

CHUNK = 1 << 16
READ = 1 << 20
LONG_LINE = 1 << 16
"""Lines longer than this many bytes are read only at both ends."""
ENDS = 1 << 14
MOST_LOGS = 1024
"""Maximum number of logs whose last line is cached."""


class Lines(Protocol):
    """Numbered lines that grow: a log, or several merged. See `LogFile`."""

    path: Path
    generation: int
    problem: str | None

    @property
    def count(self) -> int: ...

    @property
    def complete(self) -> int: ...

    @property
    def caught_up(self) -> bool: ...

    def poll(self) -> bool: ...

    def close(self) -> None: ...

    def lines(self, first: int, after: int) -> list[str]: ...

    def line(self, number: int) -> str: ...

    def last_lines(self, wanted: int) -> list[str]: ...

    def block(self, first: int, after: int, backward: bool) -> tuple[int, int]: ...


class LogFile:
    """A log, followed by path. The pane that shows it owns it: it calls `poll` on its timer and `close` at the end.

    `known`: secrets the log may contain, in addition to those of the environment.
    """

    def __init__(self, path: Path, known: Sequence[str] = ()) -> None:
        self.path = path
        self._known = known
        self.size = 0
        """Number of bytes indexed so far."""
        self.complete = 0
        """Number of complete lines; one more may still be growing."""
        self.generation = 0
        """Increases when the file was replaced or truncated, because line numbers restart then."""
        self.caught_up = False
        self.problem: str | None = None
        """Why nothing (more) can be read, in words."""
        self._fd: int | None = None
        self._identity: tuple[int, int] | None = None
        self._beginning = b""
        self._left_out = 0
        self._growing = 0
        """Start of the unfinished last line."""
        self._marks = array("q", [0])
        self._breaks: OrderedDict[tuple[int, int], list[int]] = OrderedDict()

    @property
    def count(self) -> int:
        """Number of lines, including an unfinished last one."""
        return self.complete + (self._growing < self.size)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = self._identity = None

    # -------------------------------------------------------------------------------------------- growing

    def poll(self, budget: int = 32 << 20) -> bool:
        """Index at most `budget` new bytes; return whether anything changed. A missing file is not an error."""
        before = (self.size, self.generation, self.problem)
        try:
            self._poll(budget)
        except FileNotFoundError:
            self.problem = "no log yet" if self._fd is None else "the log file is gone; showing what was read before"
        except OSError as error:
            self.problem = f"cannot read the log: {error.strerror}"
        return before != (self.size, self.generation, self.problem)

    def _poll(self, budget: int) -> None:
        status = os.stat(self.path)
        if not stat.S_ISREG(status.st_mode):
            self.problem = "not a regular file"
            return
        if self._fd is None or (status.st_dev, status.st_ino) != self._identity:
            self._restart(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        assert self._fd is not None
        end = os.fstat(self._fd).st_size
        rewritten = end > self.size and os.pread(self._fd, len(self._beginning), 0) != self._beginning
        if end != self.size and end > bounded_log.HEAD:
            # The supervisor has cut out the middle; the file may be as long as before by now.
            rewritten |= bounded_log.left_out(self._fd) != self._left_out
        if end < self.size or rewritten:
            self._restart(os.dup(self._fd))
        self.problem = None
        stop = min(end, self.size + budget)
        while self.size < stop:
            data = os.pread(self._fd, min(READ, stop - self.size), self.size)
            if not data:
                break
            self._index(data)
        self.caught_up = self.size >= end

    def _restart(self, fd: int) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self.generation += self.size > 0
        self._fd, status = fd, os.fstat(fd)
        self._left_out = bounded_log.left_out(fd)
        self._identity = (status.st_dev, status.st_ino)
        self.size = self.complete = self._growing = 0
        self._beginning = b""
        self._marks = array("q", [0])
        self._breaks.clear()

    def _index(self, data: bytes) -> None:
        if len(self._beginning) < 256:
            self._beginning = (self._beginning + data)[:256]
        if (ended := data.rfind(b"\n")) >= 0:
            self._growing = self.size + ended + 1
        start = 0
        while start < len(data):
            stop = min(len(data), start + CHUNK - self.size % CHUNK)
            self.complete += data.count(b"\n", start, stop)
            self.size += stop - start
            if self.size % CHUNK == 0:
                self._marks.append(self.complete)
            start = stop

    # -------------------------------------------------------------------------------------------- reading

    def _offset(self, number: int) -> int:
        """Return the start of line `number`: the byte after the newline of the previous line."""
        if number <= 0:
            return 0
        if number >= self.complete:
            return self._growing
        chunk = bisect_left(self._marks, number) - 1
        return chunk * CHUNK + self._newlines(chunk)[number - self._marks[chunk] - 1] + 1

    def _newlines(self, chunk: int) -> list[int]:
        """Return the positions of the newlines in a chunk, padded so that a file truncated meanwhile raises no error."""
        length = min(CHUNK, self.size - chunk * CHUNK)
        key = (chunk, length)
        if key in self._breaks:
            self._breaks.move_to_end(key)
            return self._breaks[key]
        data = self._read(chunk * CHUNK, length)
        places = list(accumulate((len(line) + 1 for line in data.split(b"\n")[:-1]), initial=-1))[1:]
        after = self._marks[chunk + 1] if chunk + 1 < len(self._marks) else self.complete
        places += [max(0, length - 1)] * (after - self._marks[chunk] - len(places))
        self._breaks[key] = places
        if len(self._breaks) > 8:
            self._breaks.popitem(last=False)
        return places

    def _read(self, start: int, length: int) -> bytes:
        if self._fd is None:
            return b""
        try:
            return os.pread(self._fd, max(0, length), start)
        except OSError as error:  # e.g. a network file system that has gone away
            self.problem = f"cannot read the log: {error.strerror}"
            return b""

    def lines(self, first: int, after: int) -> list[str]:
        """Return lines `first` … `after`-1, safe to display; always as many as requested, limited to those that exist."""
        first, after = max(0, first), min(after, self.count)
        if first >= after:
            return []
        growing = after > self.complete
        start = self._offset(first)
        length = (self.size if growing else self._offset(after)) - start
        if length <= LONG_LINE:
            lines = logtext.split(self._read(start, length), self._known, final=not growing)
        elif after - first == 1:
            head, tail = self._read(start, ENDS), self._read(start + length - ENDS, ENDS)
            lines = [logtext.sanitize_long(head, tail, length, self._known)]
        else:
            middle = (first + after) // 2
            lines = self.lines(first, middle) + self.lines(middle, after)
        return (lines + [""] * (after - first))[: after - first]

    def line(self, number: int) -> str:
        return next(iter(self.lines(number, number + 1)), "")

    def last_lines(self, wanted: int) -> list[str]:
        """Return the current end of the file without using the index; shown until a large file is indexed."""
        if self._fd is None or wanted <= 0:
            return []
        end = os.fstat(self._fd).st_size
        return _last(self._read(max(0, end - CHUNK), CHUNK), end > CHUNK, wanted, self._known)

    def block(self, first: int, after: int, backward: bool) -> tuple[int, int]:
        """Return the next part of lines `first` … `after`-1 to read: about one chunk, from the end that the search starts
        at."""
        if backward:
            return max(first, self._marks[bisect_left(self._marks, after) - 1]), after
        index = bisect_right(self._marks, first)
        return first, min(after, self._marks[index]) if index < len(self._marks) else after


class LastLines:
    """The last non-empty line of many logs, for cards: one small read per changed log."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def of(self, path: Path, secrets: Sequence[str] = ()) -> str:
        """Return the last non-empty line; empty if there is none or the log cannot be read. `secrets`: those the log may
        contain."""
        try:
            state = os.stat(path)
        except OSError:
            return ""
        stamp = (state.st_ino, state.st_size, state.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            if len(self._known) >= MOST_LOGS:
                self._known.clear()
            known = self._known[path] = (stamp, last_line(path, secrets))
        return known[1]


def last_line(path: Path, known: Sequence[str] = ()) -> str:
    """Return the last non-empty line with one small read; empty if there is none or the log cannot be read."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - CHUNK // 4))
            data = file.read(CHUNK // 4)
    except OSError:
        return ""
    return next((line for line in reversed(_last(data, end > len(data), 50, known)) if line.strip()), "")


def _last(data: bytes, cut: bool, wanted: int, known: Sequence[str]) -> list[str]:
    lines = logtext.split(data, known, final=False) if data else []
    return (lines[1:] if cut and len(lines) > 1 else lines)[-wanted:]
