"""Reads `wandb-history.jsonl`: one JSON object per line, as written by wandb 0.9 and still by exports and taps.

A file with one JSON array of such objects is supported too; it must be complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoloop.files import LARGEST, read_regular
from autoloop.metric_readers.columns import Columns, as_float, as_step, numbers
from autoloop.metric_readers.json_value import BOM, decoded
from autoloop.metric_readers.row_order import RowOrder
from autoloop.metric_readers.tail import Lines
from autoloop.text.plural import plural

LARGEST_ARRAY = 4 * LARGEST
"""Maximum bytes of an array, which is read as a whole, and again whenever its file changes."""


class JsonlLog:
    """The FileLog of one file. A row's step is its `_step`, else its `step`, else its row number.

    An object without a trailing line break is a row too, because its last brace shows that it is complete.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self._lines = Lines(path)
        self._restarts = 0
        self._clear()

    def _clear(self) -> None:
        self.rows = 0
        self.step = 0
        self.damaged = 0
        self.times: deque[tuple[int, float]] = deque(maxlen=20)
        self._order = RowOrder()
        self.numbered = True
        """Whether steps are only row numbers."""
        self._unfinished = False
        """Whether the text after the last line break is not a complete row yet."""
        self._array: bool | None = None
        self._array_problem: str | None = None

    @property
    def restarts(self) -> int:
        """How often the file was replaced; each time, the earlier contents of `columns` are discarded."""
        return self._lines.tail.restarts

    @property
    def problems(self) -> list[str]:
        found = self._lines.problems
        if self._array_problem:
            found.append(self._array_problem)
        if self.damaged:
            what = plural(self.damaged, "element of its array" if self._array else "line")
            which = "that is not a JSON object" if self.damaged == 1 else "that are not JSON objects"
            found.append(f"{self.path}: skipped {what} {which}")
        if self.rows and not self.columns.series:
            found.append(f"{self.path}: no metric of its {plural(self.rows, 'row')} is a number")
        if self._unfinished:
            found.append(f"{self.path}: its last line is not complete and was left out")
        if self._order.problem:
            found.append(f"{self.path}: {self._order.problem}")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        """Read at most `budget` bytes (more if a line is longer). Returns whether a row was new or there may be more."""
        tail = self._lines.tail
        if self._array is None and tail.look() and (head := tail.read(4096, at=0).removeprefix(BOM).lstrip()):
            self._array = head[:1] == b"["
        if self._array:
            return self._read_array()
        lines = self._lines.read(budget)
        before = self.rows
        if tail.restarts != self._restarts:
            self._forget()
            before = -1
        for line in lines:
            self._take(line)
        if not self._lines.more and isinstance(row := decoded(self._lines.rest), dict):
            self._lines.take_rest()
            self._row(row)
            self._unfinished = False
        elif lines or self._lines.rest:
            self._unfinished = bool(self._lines.rest.strip())
        return self._lines.more or self.rows != before

    def put_last(self, values: Mapping[str, float], step: int) -> None:
        """Add the latest values of metrics that no row contains."""
        self.columns.put_all_last(values, max(step, self.step))

    def _forget(self) -> None:
        self._restarts = self._lines.tail.restarts
        self.columns.clear()
        self._clear()

    def _take(self, line: bytes) -> None:
        if line.strip():
            row = decoded(line)
            if isinstance(row, dict):
                self._row(row)
            elif line.strip() != BOM:
                self.damaged += 1

    def _read_array(self) -> bool:
        tail = self._lines.tail
        tail.offset = 0
        if not tail.look():
            return False
        restarted = tail.restarts != self._restarts
        self._forget()
        if restarted:  # it may consist of lines now
            return True
        tail.wait()
        self._array = True
        try:
            rows = decoded(read_regular(self.path, LARGEST_ARRAY))
        except OSError as error:
            self._array_problem = f"{self.path} is one JSON array and cannot be read: {error.strerror}"
            return True
        if not isinstance(rows, list):
            self._array_problem = f"{self.path} is one JSON array that is damaged or not complete; no row of it was read"
            return True
        for row in rows:
            if isinstance(row, dict):
                self._row(row)
            else:
                self.damaged += 1
        return True

    def _known_later(self, row: dict[str, Any], step: int) -> bool:
        """Whether every metric of a row has a value at a later step."""
        names = [name for key, value in row.items() if key[:1] != "_" for name, _ in numbers(key, value) if name != "step"]
        found = [self.columns.series.get(name) for name in names]
        return all(series is not None and series.steps[-1] > step for series in found)

    def _row(self, row: dict[str, Any]) -> None:
        counter = "_step" if "_step" in row else "step"
        given = row.get(counter)
        step = as_step(given) if isinstance(given, float | int) else None
        if step is None:
            step = self._order.last + 1
        else:
            self.numbered = self.numbered and counter == "_step" and step <= self.rows
        self._order.add(step, repeats=step < self._order.last and self._known_later(row, step))
        self.step = max(self.step, step)
        self.rows += 1
        time = row.get("_timestamp")
        if isinstance(time, float | int):
            self.times.append((step, as_float(time)))
        for key, value in row.items():
            if not key.startswith("_") and key != counter:
                for name, number in numbers(key, value):
                    self.columns.put(name, step, number)
