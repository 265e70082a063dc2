"""Reads metrics that a tracker stores in SQLite: trackio's database of a project, and MLflow's.

Each poll opens the file read-only, reads the rows after the last one, and closes it. It waits only briefly for a writer's
lock; then the next poll tries again. If a database has several runs, the named one is read, else the first that logged.
"""

from __future__ import annotations

import math
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from autoloop.metric_readers.columns import Columns, GivenSteps, as_float, as_step, numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.log_state import LogState
from autoloop.metric_readers.tail import replaced
from autoloop.text.plural import plural

PATIENCE: Final = 0.05
"""Seconds to wait for a writer."""
LONGEST: Final = 2.0
"""Maximum seconds for one query, because the file may come from anywhere."""
ROW: Final = 200
"""Bytes that one row counts against the budget of a poll."""
LARGEST_VALUE: Final = 4 << 20
_HEAD: Final = b"SQLite format 3\0"
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_Row = tuple[int, str, float | None, dict[str, Any]]
"""Row id, run, Unix seconds, and the logged values by metric name, with the step as `_step`."""


class SqliteLog(LogState):
    """The FileLog of one database. A subclass reads one kind of database and ignores others."""

    columns_of_table: frozenset[str]

    def __init__(self, path: Path, columns: Columns, run: str | None = None) -> None:
        """`run` selects the run to read, by its name in `runs`."""
        super().__init__(path, columns)
        self._named = run
        self.restarts = 0
        self.run = run
        """The run whose metrics are read; None until one has logged."""
        self._others: set[str] = set()
        self._last = 0
        self._inode: int | None = None
        self._stamp: tuple[int, ...] = ()
        self._error: str | None = None
        self._replaced = False

    @property
    def problems(self) -> list[str]:
        found = [self._error] if self._error else []
        if self._replaced:
            found.append(replaced(self.path))
        if self._others:
            others = plural(len(self._others), "run")
            found.append(f"{self.path} has {others} besides {self.run}; only {self.run} is read, because it logged first")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        limit = max(1000, budget // ROW)
        try:
            state = os.stat(self.path)
            if not stat.S_ISREG(state.st_mode):
                return False
            stamp = (state.st_ino, state.st_size, state.st_mtime_ns, *_stamp_of(f"{self.path}-wal"))
            if stamp == self._stamp:
                return False
            found, newest = self._query(limit)
        except OSError as problem:
            self._error = (
                None if isinstance(problem, FileNotFoundError) else f"{self.path} cannot be read: {problem.strerror}"
            )
            return False
        except sqlite3.Error as problem:
            code = getattr(problem, "sqlite_errorcode", 0)
            self._error = f"{self.path} cannot be read: {problem}"
            if code in _BUSY:
                self._error = None
            else:
                self._stamp = stamp
            return False
        self._error = None
        if self._inode not in (None, state.st_ino) or newest < self._last:
            self.restarts += 1
            self._replaced = True
            return True
        self._inode = state.st_ino
        for row in found:
            self._take(*row)
        if len(found) < limit:
            self._stamp = stamp
        return bool(found)

    def _query(self, limit: int) -> tuple[list[_Row], int]:
        """Return the next rows, and the id of the newest row in the table."""
        with _opened(self.path) as database:
            names = _columns_of(database)
            if database is None or not self.columns_of_table <= names:
                return [], self._last
            newest = database.execute("SELECT max(rowid) FROM metrics").fetchone()[0]
            run = self.column_of_run(names)
            where, values = ("", ()) if self._named is None else (f" AND {run} = ?", (self._named,))
            rows = self._select(database, run, where, (self._last, *values, limit))
            return list(rows), newest if isinstance(newest, int) else 0

    @staticmethod
    def column_of_run(names: Collection[str]) -> str:
        """Return the SQL expression that identifies the run in a table with these columns."""
        raise NotImplementedError

    def _select(self, database: sqlite3.Connection, run: str, where: str, values: tuple[Any, ...]) -> Iterator[_Row]:
        """Yield the next rows. `run` is the SQL expression for the run, and `where` a further condition.

        `values` are for the placeholders: first the id of the last row read, at the end the limit."""
        raise NotImplementedError

    def _take(self, row_id: int, run: str, seconds: float | None, metrics: dict[str, Any]) -> None:
        self._last = max(self._last, row_id)
        if self.run is None:
            self.run = run
        if run != self.run:
            self._others.add(run)
            return
        given = metrics.pop("_step", None)
        step = as_step(as_float(given)) if isinstance(given, int | float) else None
        if step is None:
            return
        self.rows += 1
        for key, value in metrics.items():
            for name, number in ((key, value),) if type(value) is float else numbers(key, value):
                placed = self._placed(name, step)
                self.step = max(self.step, placed)
                self.columns.put(name, placed, number)
        if seconds is not None and (not self.times or self.times[-1][0] < step):
            self.times.append((step, seconds))

    def _placed(self, name: str, step: int) -> int:
        return step


class TrackioLog(SqliteLog):
    """Reads `metrics(id, timestamp, run_name, step, metrics)`, with JSON in `metrics`; newer versions also have `run_id`."""

    columns_of_table = frozenset({"id", "run_name", "step", "metrics", "timestamp"})

    @property
    def numbered(self) -> bool:
        """Whether the steps are only row numbers."""
        return self.step < max(self.rows, 1)

    @staticmethod
    def column_of_run(names: Collection[str]) -> str:
        return "coalesce(run_id, run_name)" if "run_id" in names else "run_name"

    def _select(self, database: sqlite3.Connection, run: str, where: str, values: tuple[Any, ...]) -> Iterator[_Row]:
        query = f"SELECT id, {run}, timestamp, step, metrics FROM metrics WHERE id > ?{where} ORDER BY id LIMIT ?"
        for row_id, name, stamp, step, logged in database.execute(query, values):
            row = decoded(logged) if isinstance(logged, bytes) else None
            if isinstance(row_id, int):
                yield row_id, _text(name), _seconds(_text(stamp)), {**(row if isinstance(row, dict) else {}), "_step": step}


class MlflowLog(SqliteLog):
    """Reads `metrics(key, value, timestamp, run_uuid, step, is_nan)`, with one value per row."""

    columns_of_table = frozenset({"key", "value", "timestamp", "run_uuid", "step", "is_nan"})

    def __init__(self, path: Path, columns: Columns, run: str | None = None) -> None:
        super().__init__(path, columns, run)
        self._given = GivenSteps()

    @staticmethod
    def column_of_run(names: Collection[str]) -> str:
        return "run_uuid"

    def _select(self, database: sqlite3.Connection, run: str, where: str, values: tuple[Any, ...]) -> Iterator[_Row]:
        query = f"""SELECT rowid, {run}, timestamp, step, key, value, is_nan FROM metrics
            WHERE rowid > ?{where} ORDER BY rowid LIMIT ?"""
        for row_id, name, stamp, step, key, value, nan in database.execute(query, values):
            seconds = stamp / 1000 if isinstance(stamp, int | float) else None
            number = math.nan if nan else value
            if isinstance(number, int | float) and abs(number) >= sys.float_info.max:  # MLflow stores infinity this way
                number = math.copysign(math.inf, number)
            yield row_id, _text(name), seconds, {"_step": step, _text(key): number}

    def _placed(self, name: str, step: int) -> int:
        return self._given.of(name, step)


LOGS: Final[tuple[type[SqliteLog], ...]] = (TrackioLog, MlflowLog)


def runs(path: Path) -> list[str]:
    """Return the runs in a tracker's database, in the order in which they first logged; an empty list for other files.
    Raises OSError or sqlite3.Error if it cannot be read."""
    with _opened(path) as database:
        names = _columns_of(database)
        kind = next((kind for kind in LOGS if kind.columns_of_table <= names), None)
        if database is None or kind is None:
            return []
        found = database.execute(f"SELECT {kind.column_of_run(names)} FROM metrics GROUP BY 1 ORDER BY min(rowid)")
        return [_text(name) for (name,) in found]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the database for a short read; yields None if the file is not a database or is an incomplete copy."""
    with open(path, "rb", buffering=0) as file:
        head = file.read(100)
        size = os.fstat(file.fileno()).st_size
    if head[:16] != _HEAD or size < _size_of(head):
        yield None
        return
    # Reading in WAL mode creates a shared-memory file. Without a -wal file, there is no writer and immutable=1 avoids it.
    settled = head[18:19] == b"\x02" and not os.path.exists(f"{path}-wal")
    address = f"file:{quote(os.fsencode(path))}?mode=ro{'&immutable=1' if settled else ''}"
    deadline = time.monotonic() + LONGEST
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        database.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        database.text_factory = bytes
        yield database


def _columns_of(database: sqlite3.Connection | None) -> set[str]:
    """Return the columns of its table of metrics."""
    return set() if database is None else {_text(row[1]) for row in database.execute("PRAGMA table_info(metrics)")}


def _size_of(head: bytes) -> int:
    """Return the size of the database in bytes, as stated on its first page."""
    page = int.from_bytes(head[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")


def _stamp_of(path: str) -> tuple[int, ...]:
    try:
        state = os.stat(path)
    except OSError:
        return ()
    return state.st_size, state.st_mtime_ns


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _seconds(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
