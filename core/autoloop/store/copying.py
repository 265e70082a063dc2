"""Keeps a copy of a project's database up to date row by row: `Changes` reads what changed since the last call, and `Copy`
applies it to another file."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from autoloop.model import UserError
from autoloop.store.database import Store
from autoloop.store.opening import connect
from autoloop.store.places import Places
from autoloop.store.trouble import translated

KEYS = {
    "loops": "id",
    "rounds": "rowid",
    "runs": "rowid",
    "attempts": "rowid",
    "proposals": "id",
    "events": "id",
    "notes": "id",
    "commands": "id",
    "deliveries": "id",
}
"""The key column of each table that clients show. It is the hidden row number where that records the order of creation."""

APPENDED = "events"
"""The table whose rows never change: only rows after the last known one are read."""


class Table(msgspec.Struct, frozen=True, array_like=True):
    """The changes in one table: complete rows with the key as their first column, and the keys of deleted rows."""

    name: str
    columns: list[str]
    rows: list[list[Any]]
    gone: list[int]


class Changes:
    """Reads the database of a project. Used by one thread."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._db = connect(places)
        self._columns = {name: _columns(self._db, name) for name in KEYS}
        self._known: dict[str, dict[int, int]] = {name: {} for name in KEYS}
        """By table and key: the hash of the row at the last `take`."""
        self._version: int | None = None

    def close(self) -> None:
        self._db.close()

    @property
    def any(self) -> bool:
        """Whether the database has changed since the last `take`. Takes microseconds."""
        return self._version != self._data_version()

    def take(self) -> list[Table]:
        """The changes since the last `take`, read from one state of the database. Raises StoreUnavailableError or
        StoreCorruptError if it cannot be read."""
        try:
            version = self._data_version()
            self._db.execute("BEGIN")
            try:
                found = [self._changes(name) for name in KEYS]
            finally:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(error, self._places.database) from None
        self._version = version
        return [table for table in found if table.rows or table.gone]

    def _data_version(self) -> int:
        try:
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise translated(error, self._places.database) from None

    def _changes(self, name: str) -> Table:
        columns, known = self._columns[name], self._known[name]
        sql = f"SELECT {', '.join(columns)} FROM {name}"
        if name == APPENDED and known:
            last = next(reversed(known))
            fresh = self._db.execute(f"{sql} WHERE id >= ? ORDER BY id", (last,)).fetchall()
            if fresh and fresh[0][0] == last and hash(fresh[0]) == known[last]:
                known |= {row[0]: hash(row) for row in fresh}
                return Table(name, columns, [list(row) for row in fresh[1:]], [])
        rows: list[list[Any]] = []
        now: dict[int, int] = {}
        for row in self._db.execute(f"{sql} ORDER BY {columns[0]}"):
            now[row[0]] = mark = hash(row)
            if known.get(row[0]) != mark:
                rows.append(list(row))
        gone = [key for key in known if key not in now]
        self._known[name] = now
        return Table(name, columns, rows, gone)


class Copy:
    """Writes the copy, the database of a separate project that `Store.open` can read. Used by one thread."""

    def __init__(self, places: Places) -> None:
        Store.open(places.project, create=True).close()
        self._places = places
        self._db = connect(places)
        self._db.execute("PRAGMA synchronous = OFF")  # lost data can be fetched again
        self._columns = {name: _columns(self._db, name) for name in KEYS}

    def close(self) -> None:
        self._db.close()

    def apply(self, tables: list[Table], *, whole: bool) -> None:
        """Apply the changes. With `whole`, `tables` is the complete content and all other rows are deleted. Raises UserError
        if the columns differ."""
        for table in tables:
            if self._columns.get(table.name) != table.columns:
                raise UserError(f"The table {table.name} differs between the two databases: their versions differ.")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for name in KEYS if whole else ():
                    self._db.execute(f"DELETE FROM {name}")
                for table in tables:
                    self._apply(table)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise translated(error, self._places.database) from None

    def _apply(self, table: Table) -> None:
        columns = table.columns
        self._db.executemany(f"DELETE FROM {table.name} WHERE {columns[0]} = ?", [(key,) for key in table.gone])
        places = ", ".join("?" * len(columns))
        self._db.executemany(f"INSERT OR REPLACE INTO {table.name} ({', '.join(columns)}) VALUES ({places})", table.rows)


def _columns(db: sqlite3.Connection, name: str) -> list[str]:
    """The key, then the other columns sorted by name: migrated databases have them in another order."""
    found = sorted(str(row[1]) for row in db.execute(f"PRAGMA table_info({name})"))
    key = KEYS[name]
    return [key, *(column for column in found if column != key)]
