"""Reads Hugging Face's `trainer_state.json`, a complete document written at each checkpoint and at the end, and
LLaMA-Factory's `trainer_log.jsonl`. Metrics get the names that the same trainer reports to other loggers."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec

from autoloop.files import LARGEST, read_regular
from autoloop.metric_readers.columns import Columns, as_float, as_step, numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.log_state import LogState
from autoloop.metric_readers.tail import Lines, replaced

NAME = "trainer_state.json"
LOG_NAME = "trainer_log.jsonl"
LARGEST_STATE = 2 * LARGEST
"""Maximum bytes, enough for a history of about 100 000 rows."""
_NO_METRICS = frozenset({"step", "total_flos"})
_PROGRESS = frozenset({"current_steps", "total_steps", "percentage"})
_SETS = {"eval_": "eval/", "test_": "test/"}


def reported_name(key: str) -> str:
    """Rename a log key as the Trainer's own callbacks do: `eval_loss` to `eval/loss`, `loss` to `train/loss`."""
    for prefix, folder in _SETS.items():
        if key.startswith(prefix):
            return folder + key.removeprefix(prefix)
    return "train/" + key


class TrainerState(LogState):
    """The FileLog of one document, read as a whole when it has changed; while it is written, earlier values stay."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self.restarts = 0
        self.total_steps: int | None = None
        """The number of steps that the training will make."""
        self._stamp: tuple[int, int, int] | None = None
        self._digest = b""
        self._error: str | None = None
        self._replaced = False

    @property
    def problems(self) -> list[str]:
        found = [self._error] if self._error else []
        if self._replaced:
            found.append(replaced(self.path))
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        """Read the whole document, whatever the budget, if it has changed. Returns whether a row was new."""
        try:
            state = os.stat(self.path)
            stamp = state.st_ino, state.st_size, state.st_mtime_ns
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            document = decoded(read_regular(self.path, LARGEST_STATE))
        except OSError as error:
            self._error = None if isinstance(error, FileNotFoundError) else f"{self.path} cannot be read: {error.strerror}"
            return False
        history = document.get("log_history") if isinstance(document, dict) else None
        if not isinstance(history, list):
            self._error = f"{self.path} is not complete, or damaged; nothing new was read from it"
            return False
        self._error = None
        total = document.get("max_steps")
        self.total_steps = total if isinstance(total, int) and total > 0 else None
        return self._read(history)

    def _read(self, history: list[Any]) -> bool:
        before = self.rows
        if before and (len(history) < before or _digest(history[:before]) != self._digest):
            self._replaced = True
            self.restarts += 1
            return True
        for row in history[before:]:
            if isinstance(row, dict):
                self.step = max(self.step, take_row(self.columns, row, row.get("step")) or 0)
        self.rows, self._digest = len(history), _digest(history)
        return self.rows != before


class TrainerLog(LogState):
    """The FileLog of `trainer_log.jsonl`: lines `{"current_steps": 10, "total_steps": 100, "loss": 0.5, "lr": 1e-4, …}`."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self.total_steps: int | None = None
        self._lines = Lines(path)
        self._damaged = 0

    @property
    def restarts(self) -> int:
        return self._lines.tail.restarts

    @property
    def problems(self) -> list[str]:
        found = self._lines.problems
        if self._damaged:
            found.append(f"{self.path}: {self._damaged} lines are not JSON objects with a step and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        before = self.rows
        for line in self._lines.read(budget):
            if line.strip():
                self._take(decoded(line))
        return self._lines.more or self.rows != before

    def _take(self, row: Any) -> None:
        if not isinstance(row, dict):
            self._damaged += 1
            return
        metrics = {key: value for key, value in row.items() if key not in _PROGRESS}
        if "lr" in metrics:  # the Trainer itself calls it learning_rate
            metrics["learning_rate"] = metrics.pop("lr")
        step = take_row(self.columns, metrics, row.get("current_steps"))
        if step is None:
            self._damaged += 1
            return
        self.rows += 1
        self.step = max(self.step, step)
        total = row.get("total_steps")
        self.total_steps = total if isinstance(total, int) and total > 0 else self.total_steps


def take_row(columns: Columns, row: dict[str, Any], given: Any) -> int | None:
    """Put the numbers of a row of the Trainer's log under their reported names. Returns the step, or None without one."""
    step = as_step(as_float(given)) if isinstance(given, int | float) and not isinstance(given, bool) else None
    if step is not None:
        for key, value in row.items():
            if key not in _NO_METRICS:
                for name, number in numbers(reported_name(key), value):
                    columns.put(name, step, number)
    return step


def _digest(rows: list[Any]) -> bytes:
    hasher = hashlib.blake2b(digest_size=16)
    for row in rows:
        try:
            hasher.update(msgspec.json.encode(row))
        except (ValueError, TypeError, RecursionError):
            hasher.update(json.dumps(row).encode())
    return hasher.digest()
