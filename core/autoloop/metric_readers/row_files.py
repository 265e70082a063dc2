"""Reads files of one kind with rows that may have only row numbers as steps: each gets its own step axis before joining."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from autoloop.metric_readers.columns import MAX_KEYS, Columns
from autoloop.metric_readers.file_group import FileLog
from autoloop.metric_readers.step_axis import StepAxis
from autoloop.model import Series


class RowLog(FileLog, Protocol):
    """A FileLog of rows."""

    @property
    def numbered(self) -> bool:
        """Whether the steps are only row numbers."""
        ...


@dataclass
class _File:
    log: RowLog
    axis: StepAxis
    notes: dict[str, None] = field(default_factory=dict)


class RowFiles:
    """The files, oldest first: values of later files replace those of earlier ones at the same step. Values from removed
    files are kept. `axis` is the metric that counts the steps, if the preset names one; `prefix` returns the prefix for a
    file's metrics.
    """

    def __init__(self, opened: Callable[[Path, Columns], RowLog], axis: str | None, prefix: Callable[[Path], str]) -> None:
        self._opened = opened
        self._axis = axis
        self._prefix = prefix
        self._files: dict[Path, _File] = {}
        self._columns: Mapping[str, Series] = {}

    @property
    def logs(self) -> Sequence[FileLog]:
        return [file.log for file in self._files.values()]

    @property
    def columns(self) -> Mapping[str, Series]:
        return self._columns

    def update(self, paths: Sequence[Path]) -> bool:
        """Add new files. Always returns False: values read so far stay valid."""
        if not set(paths) <= self._files.keys():
            there = {path: self._files.get(path) or self._open(path) for path in paths}
            self._files = {path: file for path, file in self._files.items() if path not in there} | there
        return False

    def _open(self, path: Path) -> _File:
        return _File(self._opened(path, Columns()), StepAxis(self._axis))

    def poll(self, budget: int = 4 << 20) -> bool:
        new = False
        for path, file in self._files.items():
            restarts = file.log.restarts
            grew = file.log.poll(budget)
            if file.log.restarts != restarts:
                file.notes |= dict.fromkeys(file.log.problems)
                file.log, file.axis = self._opened(path, Columns()), StepAxis(self._axis)
                file.log.poll(budget)  # immediately, so that its curves do not disappear for a moment
                grew = True
            if grew:
                file.axis.update(file.log.columns, numbered=file.log.numbered)
                new = True
        if new:
            self._columns = self._joined()
        return new

    def _joined(self) -> Mapping[str, Series]:
        """Return all metrics; a metric in one file keeps that file's Series, and one in several files is merged."""
        parts: dict[str, list[Series]] = {}
        for path, file in self._files.items():
            prefix = self._prefix(path)
            for key, series in file.axis.columns.items():
                parts.setdefault(key if key.startswith(prefix) else prefix + key, []).append(series)
        if any(len(each) > 1 for each in parts.values()):
            joined = Columns()
            for key, several in parts.items():
                for series in several if len(several) > 1 else ():
                    for step, value in series:
                        joined.put(key, step, value)
            return {key: joined.series[key] if len(several) > 1 else several[0] for key, several in parts.items()}
        return {key: several[0] for key, several in parts.items()}

    @property
    def step(self) -> int:
        return max((file.axis.step(file.log.step) for file in self._files.values()), default=0)

    @property
    def times(self) -> Sequence[tuple[int, float]]:
        """The times of the newest file that has any, on its axis."""
        files = reversed(self._files.values())
        return next((file.axis.times(file.log.times) for file in files if file.log.times), ())

    @property
    def problems(self) -> list[str]:
        found: list[str] = []
        for path, file in self._files.items():
            found += [*file.notes, *file.log.problems]
            if file.log.columns.overflow:
                found.append(f"{path}: only the first {MAX_KEYS} metric names were read")
        return found
