"""`wandb-history.jsonl`: one JSON object a row, as wandb 0.9 wrote it and as exports and taps still do."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from autoloop.history.columns import Columns, as_float, as_step, numbers
from autoloop.history.tail import Lines


class JsonlLog:
    """The rows of one file. A row's step is its `_step`, else its `step`, else the number of the row."""

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
        self._row_step = -1

    @property
    def problems(self) -> list[str]:
        found = self._lines.problems
        if self.damaged:
            found.append(f"{self.path}: {self.damaged} lines are not JSON objects and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        """Reads on, at most `budget` bytes (more if a line is longer); whether a row was new or there may be more."""
        lines = self._lines.read(budget)
        before = self.rows
        if self._lines.tail.restarts != self._restarts:
            self._restarts = self._lines.tail.restarts
            self.columns.clear()
            self._clear()
            before = -1
        for line in lines:
            if line.strip():
                row = _decode(line)
                if isinstance(row, dict):
                    self._row(row)
                else:
                    self.damaged += 1
        return self._lines.more or self.rows != before

    def _row(self, row: dict[str, Any]) -> None:
        given = row.get("_step", row.get("step"))
        step = as_step(given) if isinstance(given, float | int) else None
        if step is None:
            step = self._row_step + 1
        self._row_step = step
        self.step = max(self.step, step)
        self.rows += 1
        time = row.get("_timestamp")
        if isinstance(time, float | int):
            self.times.append((step, as_float(time)))
        for key, value in row.items():
            if not key.startswith("_"):
                for name, number in numbers(key, value):
                    self.columns.put(name, step, number)


def _decode(line: bytes) -> Any:
    """msgspec is four times faster than json but refuses NaN and Infinity, which W&B writes bare."""
    try:
        return msgspec.json.decode(line)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
