"""Reads metrics from CSV tables: Lightning's CSVLogger (`metrics.csv`), Keras' CSVLogger, and others with a header and rows.

When a new metric appears, Lightning rewrites the whole file with another column, so the file is short for a moment. Values
read so far are kept until the new file has as many lines.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

from autoloop.metric_readers.columns import Columns, as_step
from autoloop.metric_readers.log_state import LogState
from autoloop.metric_readers.tail import Lines, replaced

_CHUNK = 1 << 20


class CsvLog(LogState):
    """The FileLog of one file. A row's step is its column `step`, or without one its row number; all other numeric columns
    are metrics."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self.restarts = 0
        self._lines = Lines(path)
        self._seen_restarts = 0
        self._lines_read = 0
        self._waits = False
        self._header: list[str] = []
        self._head = b""
        self._first = b""
        self._at: int | None = None
        self._damaged = 0
        self._replaced = False

    @property
    def problems(self) -> list[str]:
        found = [self._lines.tail.error] if self._lines.tail.error else []
        if self._replaced:
            found.append(replaced(self.path))
        if self._lines.dropped:
            found.append(f"{self.path}: {self._lines.dropped} lines were too long and were left out")
        if self._damaged:
            found.append(f"{self.path}: {self._damaged} rows do not fit the header and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        tail = self._lines.tail
        if self._waits:
            tail.offset = 0
            return tail.look() and self._taken_again()
        lines = self._lines.read(budget)
        if lines and tail.restarts == self._seen_restarts and self._rewritten():
            tail.offset = 0
            tail.restarts += 1
        if tail.restarts != self._seen_restarts:
            return self._taken_again()
        before = self.rows, self._damaged
        for line in lines:
            self._lines_read += 1
            if self._lines_read == 1:
                self._head = line
            elif self._lines_read == 2:
                self._first = line
            if line.strip():
                self._line(line.decode("utf-8" if self._header else "utf-8-sig", "replace"))
        return self._lines.more or (self.rows, self._damaged) != before

    def _rewritten(self) -> bool:
        """Whether the file begins with another header or first row than before: it was replaced and has grown since, so its
        size does not show that. Nor does its inode, because a new file may get that of the one before."""
        if not self._head:
            return False
        start = self._head + b"\n"
        if self._lines_read > 1 and not self._lines.dropped:
            start += self._first + b"\n"
        try:
            with open(self.path, "rb", buffering=0) as file:
                return os.read(file.fileno(), len(start)) != start
        except OSError:
            return False

    def _taken_again(self) -> bool:
        """Whether the file that replaced the previous one is complete enough to read; if not, later polls check again."""
        self._seen_restarts = self._lines.tail.restarts
        self._lines.tail.wait()
        self._waits = not self._is_whole()
        self.restarts += not self._waits
        return not self._waits

    def _is_whole(self) -> bool:
        """Whether it has as many lines as were read before, or is a different table."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                lines = 0
                head = chunk = os.read(file.fileno(), _CHUNK)
                while chunk and lines < self._lines_read:
                    lines += chunk.count(b"\n")
                    chunk = os.read(file.fileno(), _CHUNK)
        except OSError:
            return False
        header, first, *_ = [*head.split(b"\n", 2), b"", b""]
        if head.count(b"\n") < 2 and len(head) < _CHUNK:
            return False
        names = header_of(header)
        if not (set(self._header) < set(names) or (self._header == names and self._first == first)):
            self._replaced = True
            return True
        return lines >= self._lines_read

    def _line(self, text: str) -> None:
        cells = _cells(text)
        if not self._header:
            self._header = cells
            self._at = cells.index("step") if "step" in cells else None
        elif cells and cells[0] in self._header and not any(_number(cell) is not None for cell in cells):
            # A restarted trainer appends to its table and writes a new header.
            self._header = cells
            self._at = cells.index("step") if "step" in cells else None
        elif len(cells) != len(self._header):
            self._damaged += 1
        else:
            self._row(cells)

    def _row(self, cells: list[str]) -> None:
        counted = float(self.rows) if self._at is None else _number(cells[self._at])
        step = None if counted is None else as_step(counted)
        if step is None:
            self._damaged += 1
            return
        self.rows += 1
        self.step = max(self.step, step)
        for index, (name, cell) in enumerate(zip(self._header, cells, strict=True)):
            if cell and name and index != self._at and (value := _number(cell)) is not None:
                self.columns.put(name, step, value)

    @property
    def numbered(self) -> bool:
        """Whether the steps are only row numbers."""
        return self._at is None


def header_of(line: bytes) -> list[str]:
    """Return the names in the first line of a table."""
    return _cells(line.decode("utf-8-sig", "replace"))


def _cells(text: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([text]))]
    except (csv.Error, StopIteration):
        return []


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
