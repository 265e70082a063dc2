"""The state that all FileLogs have in common."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from autoloop.metric_readers.columns import Columns


class LogState:
    """The path, columns and counters of a FileLog; see there."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self.rows = 0
        self.step = 0
        self.times: deque[tuple[int, float]] = deque(maxlen=20)
