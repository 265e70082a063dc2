"""Reads the files of one kind that a run has written, in sequence or in parallel, as one source."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from autoloop.metric_readers.columns import MAX_KEYS, Columns


class FileLog(Protocol):
    """One file of metrics; adds what it reads to `columns`. It never raises and keeps no file open."""

    path: Path
    columns: Columns
    rows: int
    """The amount read, in any unit that only grows."""
    step: int
    """The largest step seen; 0 before there is one."""
    times: deque[tuple[int, float]]
    """The last (step, Unix seconds) pairs, if the file has times."""

    @property
    def restarts(self) -> int:
        """How often the file turned out to be a different one; after each, `columns` has to be read again."""
        ...

    @property
    def problems(self) -> list[str]: ...

    def poll(self, budget: int = 4 << 20) -> bool:
        """Read about `budget` bytes. Returns whether anything was new or there may be more."""
        ...


class FileGroup:
    """Files of one kind. The oldest is read first, and each to its end before the next: a restarted trainer begins a new
    file, and its values replace those of the same steps. Values from removed files are kept."""

    def __init__(self, opened: Callable[[Path, Columns], FileLog]) -> None:
        self.columns = Columns()
        self._opened = opened
        self._logs: list[FileLog] = []
        self._notes: dict[str, None] = {}

    @property
    def logs(self) -> Sequence[FileLog]:
        return self._logs

    def update(self, paths: Sequence[Path]) -> bool:
        """Add new files in the order of `paths`. Returns whether everything has to be read again."""
        before = [log.path for log in self._logs]
        if set(paths) <= set(before):
            return False
        if list(paths[: len(before)]) == before:
            self._logs += [self._opened(path, self.columns) for path in paths[len(before) :]]
            return False
        self._read_again(list(dict.fromkeys([*(path for path in before if path not in paths), *paths])))
        return True

    def _read_again(self, paths: Sequence[Path]) -> None:
        self.columns.clear()
        self._logs = [self._opened(path, self.columns) for path in paths]

    def poll(self, budget: int = 4 << 20) -> bool:
        new = False
        for index, log in enumerate(self._logs):
            restarts = log.restarts
            self.columns.keep_first = any(later.rows for later in self._logs[index + 1 :])
            grew = log.poll(budget)
            self.columns.keep_first = False
            new |= grew
            if log.restarts != restarts:
                self._notes |= dict.fromkeys(log.problems)
                self._read_again([each.path for each in self._logs])
                return True
            if grew and log is not self._logs[-1]:
                break
        return new

    @property
    def step(self) -> int:
        return max((log.step for log in self._logs), default=0)

    @property
    def times(self) -> Sequence[tuple[int, float]]:
        """The times of the newest file that has any."""
        return next((log.times for log in reversed(self._logs) if log.times), ())

    @property
    def problems(self) -> list[str]:
        found = [*self._notes, *(problem for log in self._logs for problem in log.problems)]
        if self.columns.overflow and self._logs:
            found.append(f"{self._logs[-1].path}: only the first {MAX_KEYS} metric names were read")
        return found
