"""Reads `wandb-summary.json`: the latest value of each metric, written by W&B beside the history when a run ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoloop.files import read_regular
from autoloop.metric_readers.columns import MAX_KEYS, as_step, numbers
from autoloop.metric_readers.json_value import decoded

NAME = "wandb-summary.json"
LONG_BEFORE = 0.1
"""If a history ends short of its summary's step by more than this fraction, rows are missing."""


def missing_rows(place: Path, said: int, step: int, rows: int) -> str | None:
    """Return a message if a history of `rows` rows ends at `step`, long before step `said` of its summary; else None."""
    if said - step <= max(said * LONG_BEFORE, 2 * step / rows if rows else 0):
        return None
    ends = f"ends at step {step}" if rows else "has no rows"
    return f"{place}: its history {ends}, but its summary is from step {said}: rows are missing"


class SummaryFile:
    """One summary file, read again if it has changed. `values` are its numbers without W&B's own keys, `step` its step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, float] = {}
        self.step = 0
        self.problems: list[str] = []
        self._stamp: tuple[int, int, int] | None = None

    def poll(self) -> bool:
        """Read the file if it has changed. Returns whether there was anything new."""
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
