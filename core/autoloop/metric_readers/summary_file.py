"""`wandb-summary.json`: the newest value of each metric, as W&B leaves it beside a run's history when the run ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoloop.files import read_regular
from autoloop.metric_readers.columns import MAX_KEYS, as_step, numbers
from autoloop.metric_readers.json_value import decoded

NAME = "wandb-summary.json"
LONG_BEFORE = 0.1
"""A history that lacks more than this part of the steps that its summary speaks of is not whole."""


def missing_rows(place: Path, said: int, step: int, rows: int) -> str | None:
    """What to say of a history of so many rows that ends at `step` long before its summary, which is of step `said`."""
    if said - step <= max(said * LONG_BEFORE, 2 * step / rows if rows else 0):
        return None
    ends = f"ends at step {step}" if rows else "has no rows"
    return f"{place}: its history {ends}, but its summary is of step {said}: rows are missing"


class SummaryFile:
    """One such file, read again when it has changed. `values`: its numbers, without W&B's own keys; `step`: its step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, float] = {}
        self.step = 0
        self.problems: list[str] = []
        self._stamp: tuple[int, int, int] | None = None

    def poll(self) -> bool:
        """Whether there was anything new."""
        try:
            state = self.path.stat()
            stamp = state.st_ino, state.st_size, state.st_mtime_ns
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            row = decoded(read_regular(self.path))
        except OSError as error:
            self.problems = [] if isinstance(error, FileNotFoundError) else [f"{self.path} cannot be read: {error.strerror}"]
            return False
        if not isinstance(row, dict):
            self.problems = [f"{self.path} is not a JSON object and was skipped"]
            return False
        self.problems = []
        self._take(row)
        return True

    def _take(self, row: dict[str, Any]) -> None:
        step = row.get("_step")
        self.step = (as_step(step) if isinstance(step, float | int) else None) or 0
        self.values = {}
        for key, value in row.items():
            if not key.startswith("_") and len(self.values) < MAX_KEYS:
                self.values.update(numbers(key, value))
