"""Errors of the database, worded for users: a full or broken disk, a file that is damaged or not ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from autoloop.model import UserError


class StoreUnavailableError(UserError):
    """The database cannot be used now, but may be usable again once the cause is fixed. Nothing was partially written."""


class StoreCorruptError(UserError):
    """The file is damaged or not ours. `Store.open(create=True)` sets it aside."""


_PASSING = {
    sqlite3.SQLITE_FULL: "no space is left on its disk; free some",
    sqlite3.SQLITE_IOERR: "its disk cannot be read or written: full, over quota, out of reach or broken",
    sqlite3.SQLITE_READONLY: "it, its folder or its disk is read-only; make it writable",
    sqlite3.SQLITE_CANTOPEN: "it or its folder cannot be opened, or its disk is read-only; fix that, or restore it",
    sqlite3.SQLITE_PERM: "it may not be opened; fix its permissions",
    sqlite3.SQLITE_BUSY: "another process has it locked; end that process",
    sqlite3.SQLITE_LOCKED: "another process has it locked; end that process",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}
_BESIDE = (
    "it or a file beside it (-wal, -shm) was deleted or cut while an engine used it; wait until its loop ends, when the "
    "engine writes everything to it"
)


def translated(error: sqlite3.Error, path: Path) -> Exception:
    """The user-facing error for an SQLite error on the file at `path`; the error itself if it is a bug of ours."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    why = _BESIDE if extended == sqlite3.SQLITE_IOERR_SHORT_READ else _PASSING.get(code)
    if why:
        return StoreUnavailableError(f"{path} cannot be used now: {why} ({error}).")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return unusable(path, f"it is damaged or no database ({error})")
    return error


def unusable(path: Path, why: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{path} cannot be used: {why}. Restore a backup, or start over: `autoloop-tui run … --exec` keeps this file "
        "under another name."
    )
