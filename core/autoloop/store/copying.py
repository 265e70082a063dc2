"""A copy of a project's database elsewhere, kept up to date by its rows: what has changed since it was last asked for, and
the file to which that is applied."""

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
"""By table that a client shows something of, what tells its rows apart. Where it is the hidden row number, the order in
which rows were made is in it."""

APPENDED = "events"
"""The table whose rows do not change: only what follows the last one is looked at."""


class Table(msgspec.Struct, frozen=True, array_like=True):
    """What has changed in one table: whole rows, whose key is the first column, and the keys of those that are gone."""

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
        """By table and key: the hash of the row as it was taken last."""
        self._version: int | None = None

    def close(self) -> None:
        self._db.close()

    @property
    def any(self) -> bool:
        """Whether the database has changed since the last `take`. Cheap: microseconds."""
        return self._version != self._data_version()

    def take(self) -> list[Table]:
        """What has changed, as one state of the database. StoreTrouble where it cannot be read."""
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
    """Writes the database of a project of its own, which `Store.open` reads. Used by one thread."""

    def __init__(self, places: Places) -> None:
        Store.open(places.project, create=True).close()
        self._places = places
        self._db = connect(places)
        self._db.execute("PRAGMA synchronous = OFF")  # what is lost can be had again
        self._columns = {name: _columns(self._db, name) for name in KEYS}

    def close(self) -> None:
        self._db.close()

    def apply(self, tables: list[Table], *, whole: bool) -> None:
        """Make it as the other is now. `whole`: what is not in `tables` is not there. UserError where they do not fit."""
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
    """The key, then the others in the order of their names: databases that were migrated have them in another."""
    found = sorted(str(row[1]) for row in db.execute(f"PRAGMA table_info({name})"))
    key = KEYS[name]
    return [key, *(column for column in found if column != key)]
