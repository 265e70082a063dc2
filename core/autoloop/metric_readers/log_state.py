"""What the FileLogs have in common: the counts that each keeps."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from autoloop.metric_readers.columns import Columns


class LogState:
    """What a FileLog has read so far; see there."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self.rows = 0
        self.step = 0
        self.times: deque[tuple[int, float]] = deque(maxlen=20)
