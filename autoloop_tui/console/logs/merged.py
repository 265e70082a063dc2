"""Several logs merged into one in chronological order. It provides the same numbered lines as a `LogFile`, so that a pane
can show, search and filter them in the same way.

The time of a line is the one it begins with; a line without a time gets that of the preceding line in its log. In a log
without any times, existing lines get the file's modification time and new lines the time at which they arrive. New lines are
appended after the existing ones, sorted by time among themselves.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from time import time

from autoloop_tui.console.logs.tail import LogFile

FIRST_LINES = 2000
"""Number of newest lines read from each log at first."""

MOST = 1 << 20
"""Maximum number of lines kept in order; beyond it, the older half is dropped."""

_PLACE = 1 << 40
"""Maximum number of lines per log in the numbering."""

_TIME = re.compile(
    r"^.{0,24}?(?:(?P<date>\d{4}-\d\d-\d\d)[T ])?(?P<time>[012]\d:[0-5]\d:[0-6]\d)(?:[.,](?P<fraction>\d{1,6}))?", re.ASCII
)


class MergedLog:
    """Merges the logs at `paths`, each given with its secrets. The pane that shows it calls `poll` and `close`."""

    def __init__(self, paths: Sequence[tuple[Path, Sequence[str]]]) -> None:
        self.logs = [LogFile(path, known) for path, known in paths]
        self.path = paths[0][0] if paths else Path()
        self.generation = 0
        """Increases when a log restarts or older lines are dropped, because line numbers change then."""
        self.problem: str | None = None
        self._order = array("q")
        self._taken = [-1] * len(self.logs)
        """Lines of each log that are already merged; -1: not read yet."""
        self._generations = [0] * len(self.logs)
        self._times = [0.0] * len(self.logs)
        """The time of the newest line of each log; 0 if no line had a time."""

    @property
    def count(self) -> int:
        return len(self._order)

    @property
    def complete(self) -> int:
        return len(self._order)

    @property
    def caught_up(self) -> bool:
        return all(log.caught_up or log.problem for log in self.logs)

    def source(self, number: int) -> int:
        """Return the index of the log that a line belongs to."""
        return self._order[number] // _PLACE

    def place(self, number: int) -> tuple[Path, int]:
        """Return the file that contains a line, and the line's number there."""
        source, line = divmod(self._order[number], _PLACE)
        return self.logs[source].path, line

    def close(self) -> None:
        for log in self.logs:
            log.close()

    def poll(self) -> bool:
        """Read what has been written since; return whether there was anything."""
        came: list[tuple[float, int, int]] = []
        for place, log in enumerate(self.logs):
            log.poll()
            if log.generation != self._generations[place]:
                self._begin_again()
                return True
            came += self._new(place, log)
        came.sort()
        self._order.extend(place * _PLACE + line for _, place, line in came)
        if len(self._order) > MOST:
            del self._order[: MOST // 2]
            self.generation += 1
        self.problem = next((log.problem for log in self.logs if log.problem), None) if not self._order else None
        return bool(came)

    def _begin_again(self) -> None:
        self.generation += 1
        self._order = array("q")
        self._taken = [-1] * len(self.logs)
        self._generations = [log.generation for log in self.logs]
        self._times = [0.0] * len(self.logs)

    def _new(self, place: int, log: LogFile) -> list[tuple[float, int, int]]:
        """Return the newly completed lines of a log as time, log and number."""
        if not log.caught_up and self._taken[place] < 0:
            return []  # a large existing log is being indexed; only its newest lines are needed
        first = self._taken[place]
        fresh = first < 0
        if fresh:
            first = max(0, log.complete - FIRST_LINES)
        # Lines that scroll past between two polls cannot be read anyway.
        first = max(first, log.complete - 2 * FIRST_LINES)
        after = self._taken[place] = log.complete
        if first >= after:
            return []
        written = _changed(log.path) if fresh else time()
        found: list[tuple[float, int, int]] = []
        untold: list[int] = []
        for number, line in enumerate(log.lines(first, after), first):
            told = told_time(line, written)
            if told is not None:
                self._times[place] = max(told, self._times[place])  # the clock was set back
                found += [(told, place, each) for each in untold]  # lines before the first line with a time
                untold.clear()
            if self._times[place]:
                found.append((self._times[place], place, number))
            else:
                untold.append(number)
        return found + [(written, place, each) for each in untold]

    # -------------------------------------------------------------------------------------------- reading

    def lines(self, first: int, after: int) -> list[str]:
        """Like `LogFile.lines`; consecutive lines of one log are read together."""
        wanted = self._order[max(0, first) : max(0, after)]
        found: list[str] = []
        start = 0
        for at in range(1, len(wanted) + 1):
            if at == len(wanted) or wanted[at] != wanted[at - 1] + 1:
                place, line = divmod(wanted[start], _PLACE)
                found += self.logs[place].lines(line, line + at - start)
                start = at
        return found

    def line(self, number: int) -> str:
        return next(iter(self.lines(number, number + 1)), "")

    def last_lines(self, wanted: int) -> list[str]:
        return self.lines(self.count - wanted, self.count)

    def block(self, first: int, after: int, backward: bool) -> tuple[int, int]:
        """Return the next part of lines `first` … `after`-1 to read, from the end that the search starts at."""
        return (max(first, after - FIRST_LINES), after) if backward else (first, min(after, first + FIRST_LINES))


def told_time(line: str, about: float) -> float | None:
    """Return the time at the beginning of a line. A time without a date is taken as the latest one before, or just after,
    `about`."""
    found = _TIME.match(line[:64])
    return _moment(*found.groups(), about) if found else None


@lru_cache(256)  # many successive lines have the same second
def _moment(date: str | None, clock: str, fraction: str | None, about: float) -> float | None:
    near = datetime.fromtimestamp(about)
    parts = f".{fraction:0<6}" if fraction else ""
    try:
        told = datetime.fromisoformat(f"{date or near.date().isoformat()} {clock}{parts}")
    except ValueError:
        return None
    if not date and told > near + timedelta(hours=1):
        told -= timedelta(days=1)
    return told.timestamp()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time()
