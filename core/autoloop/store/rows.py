"""One connection to the SQLite file: typed rows in and out, in transactions.

A row has a few columns to search by and a JSON body that msgspec encodes and checks on reading, so the schema follows
`model/`. WAL lets readers work while the one writer writes; with `synchronous=FULL`, a committed transition survives a power
cut.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from autoloop.model import Attempt, Run, UserError
from autoloop.model.packed_metrics import PackedMetrics
from autoloop.model.structs import decoder
from autoloop.store.opening import REVISED, SCHEMA_VERSION
from autoloop.store.places import Places
from autoloop.store.portable import from_stored, to_stored
from autoloop.store.trouble import StoreUnavailableError, translated

if TYPE_CHECKING:
    from autoloop.store.kept import LoopRows

REMEMBERED = 20_000
"""Decoded rows kept of each kind, because a client paints the same rows repeatedly."""

NEVER_READ: tuple[tuple[int, int], Any] = ((-1, 0), None)

AT_ONCE = 32
"""Rows fetched from SQLite at a time, so that the bodies of a large loop are not all in memory at once."""

T = TypeVar("T")


class Rows:
    """Owned and closed by the code that opened it; not shared between threads."""

    def __init__(self, places: Places, connection: sqlite3.Connection, notice: str | None = None) -> None:
        self.places = places
        self.notice = notice
        """Something about opening the file that the user should know, or None."""
        self._db = connection
        self._project = str(places.project)
        self._file = _identity(places.database)
        self._encode = msgspec.json.Encoder(enc_hook=_as_dict).encode
        self._decoded: dict[type, dict[int, tuple[tuple[int, int], Any]]] = {}
        """By kind and row number: the decoded row, with the length and the 64-bit hash of its body. Values are immutable, so
        a row with an equal body need not be decoded again."""
        self._remembered = REMEMBERED
        self.undone = 0
        """The number of transactions rolled back. Their revision numbers are used again."""
        self._then: list[Callable[[], object]] = []
        """Calls that wait for the open transaction to commit."""
        self._kept: LoopRows | None = None
        """The rows of the loop that was read last."""

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def remember(self, rows: int, kib: int) -> None:
        """Keep at most `rows` decoded rows of each kind, and `kib` KiB of the file, in memory."""
        self._remembered = rows
        self._sql(f"PRAGMA cache_size = -{kib}")

    def wait_at_most(self, seconds: float) -> None:
        """Wait at most `seconds` for another process's lock."""
        self._sql(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    # ------------------------------------------------------------------------------------------------ change counter

    def version(self) -> int:
        """A number that changes whenever another connection has changed the database. Takes microseconds."""
        return int(self._sql("PRAGMA data_version")[0][0])

    def mark(self) -> tuple[int, int]:
        """A value that changes with every change to the database, through this connection or another."""
        return self.version(), self._db.total_changes

    def checkpoint(self) -> None:
        """Copy the write-ahead log (`-wal`) into the database, as far as readers allow without waiting."""
        self._sql("PRAGMA wal_checkpoint(PASSIVE)")

    def gone(self) -> bool:
        """Whether the file was deleted, replaced or emptied, so that further writes would be lost."""
        try:
            return _identity(self.places.database) != self._file
        except OSError:  # the disk is unreachable, so the file's state is unknown
            return False

    def check_space(self) -> None:
        """Raise StoreUnavailableError if the disk is full: SQLite may have free pages left, but runs cannot record how they
        end."""
        try:
            disk = os.statvfs(self.places.home)
        except OSError:
            return
        free = disk.f_bavail if os.geteuid() else disk.f_bfree
        if disk.f_blocks and not free:
            raise StoreUnavailableError(
                f"{self.places.home} cannot be written now: no space is left on its disk; free some."
            )

    def probe(self) -> None:
        """Write without changing anything. Raises StoreUnavailableError if the database cannot be written."""
        self.check_space()
        with self.transaction():
            self._sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on success, roll back on any exception. Nested use joins the outer transaction."""
        if self._db.in_transaction:
            yield
            return
        self._sql("BEGIN IMMEDIATE")
        try:
            yield
            self._sql("COMMIT")
        except BaseException:
            self._then.clear()
            with suppress(sqlite3.Error):  # on a full disk SQLite has already rolled back
                self._db.execute("ROLLBACK")
            self._kept = None  # the revision numbers that were rolled back are used again
            self.undone += 1
            raise
        then, self._then = self._then, []
        with ExitStack() as all_of_them:  # makes every call, even if one raises
            for call in reversed(then):
                all_of_them.callback(call)

    def once_written(self, call: Callable[[], object]) -> None:
        """Make the call after the open transaction commits, never if it is rolled back; immediately if none is open.

        Use it to notify users and other processes: they read the database in response.
        """
        if self._db.in_transaction:
            self._then.append(call)
        else:
            call()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let several queries see one state of the database, without blocking writers."""
        if self._db.in_transaction:
            yield
            return
        self._sql("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self._db.execute("COMMIT")

    # ----------------------------------------------------------------------------------------------------------- rows

    def _sql(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self.places.database) from None

    def _each(self, sql: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """Like `_sql`, but yields rows, fetched in small batches."""
        try:
            cursor = self._db.execute(sql, values)
            while rows := cursor.fetchmany(AT_ONCE):
                yield from rows
        except sqlite3.Error as error:
            raise translated(error, self.places.database) from None

    def _put(self, table: str, keys: dict[str, Any], body: Any) -> None:
        columns = [*keys, "body"]
        values = ", ".join("?" * len(columns))
        if table in REVISED:
            columns.append("revision")
            values += f", (SELECT COALESCE(MAX(revision), 0) + 1 FROM {table})"
        primary = "loop, number" if table == "rounds" else "id"
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
        self._sql(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT ({primary}) DO UPDATE SET {updates}",
            *keys.values(),
            self._encode(to_stored(body, self._project)),
        )

    def changed(self, kind: type[T], table: str, loop: int, since: int | None) -> tuple[int, dict[int, T]]:
        """The table's last revision, and the loop's rows that were written after revision `since`, by row number. If `since`
        is None, all rows of the loop."""
        last, rows = self.each_changed(kind, table, loop, since)
        return last, dict(rows)

    def each_changed(self, kind: type[T], table: str, loop: int, since: int | None) -> tuple[int, Iterator[tuple[int, T]]]:
        """Like `changed`, but yields the rows one by one."""
        last = int(self._sql(f"SELECT COALESCE(MAX(revision), 0) FROM {table}")[0][0])
        if since is None:
            return last, self._rows(kind, f"SELECT rowid, body FROM {table} WHERE loop = ?", loop)
        # The unary plus keeps SQLite from using the index on `loop`, so that it uses the one on `revision`.
        sql = f"SELECT rowid, body FROM {table} WHERE revision > ? AND +loop = ?"
        return last, self._rows(kind, sql, since, loop) if last > since else iter(())

    def changed_elsewhere(self, loop: int, since: int) -> set[str]:
        """The config groups (configs without their seed) of other loops' runs that were written after revision `since`."""
        return {row[0] for row in self._sql("SELECT config_group FROM runs WHERE revision > ? AND loop != ?", since, loop)}

    def _all(self, kind: type[T], sql: str, *values: Any) -> list[T]:
        return [value for _, value in self._rows(kind, sql, *values)]

    def _rows(self, kind: type[T], sql: str, *values: Any, kept: bool = True) -> Iterator[tuple[int, T]]:
        """Yield decoded rows with their row numbers. With `kept`, remember them for later reads."""
        known = self._decoded.setdefault(kind, {}) if kept else {}
        for row, body in self._each(sql, values):
            before, value = known.get(row, NEVER_READ)
            try:
                if before != (mark := (len(body), hash(body))):
                    if len(known) >= self._remembered:
                        known.clear()
                    value = _packed(from_stored(decoder(kind).decode(body), self._project))
                    known[row] = mark, value
            except (msgspec.DecodeError, TypeError, RecursionError) as error:
                what = f"a {kind.__name__.lower()} in {self.places.database} cannot be read ({error})"
                raise UserError(f"{what}: the file is damaged; restore a backup.") from None
            yield row, value

    def _one(self, kind: type[T], sql: str, value: Any) -> T:
        found = self._all(kind, sql, value)
        if not found:
            named = f'"{value}"' if isinstance(value, str) else value
            raise UserError(f"There is no {kind.__name__.lower()} {named} in {self.places.project}.")
        return found[0]


def _packed(value: T) -> T:
    """The value with its metrics packed: thousands of rows are kept in memory."""
    if isinstance(value, Run | Attempt) and value.summary is not None:
        with suppress(OverflowError):
            summary = msgspec.structs.replace(value.summary, metrics=PackedMetrics(value.summary.metrics))
            return msgspec.structs.replace(value, summary=summary)
    return value


def _as_dict(value: object) -> dict[str, Any]:
    """Encode packed metrics as a plain dict, the only mapping type that the JSON encoder accepts."""
    if isinstance(value, PackedMetrics):
        return dict(value)
    raise NotImplementedError


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None
