"""Opens the database: creates a missing one, migrates an old one, sets an unusable one aside, or refuses it.

A new file gets its final name only when its tables exist, so an empty file of that name has lost its contents.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoloop.files import set_aside
from autoloop.model import UserError
from autoloop.store.access import driven
from autoloop.store.places import Places
from autoloop.store.portable import make_relative
from autoloop.store.sentences import make_typed
from autoloop.store.trouble import StoreCorruptError, StoreUnavailableError, translated, unusable

SCHEMA_VERSION = 10
APPLICATION_ID = 0x41544C50  # "ATLP": distinguishes our file from any other SQLite file

PATIENCE = 10.0
"""Seconds to wait for another process to release its lock."""

RUNS_BY_GROUP = "CREATE INDEX runs_by_group ON runs (config_group) WHERE config_group != ''"
DELIVERIES = """
CREATE TABLE deliveries (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, hook TEXT NOT NULL, message TEXT NOT NULL,
                         open INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX deliveries_once ON deliveries (loop, hook, message);
CREATE INDEX deliveries_open ON deliveries (loop, open)
"""

RUNS_BY_STATE = "CREATE INDEX runs_by_state ON runs (loop, state, round, position)"

REVISED = ("runs", "attempts", "proposals")
"""Tables in which a loop may have thousands of rows. Each row has a revision, the number of the change that wrote it."""

BY_REVISION = [f"CREATE INDEX {table}_by_revision ON {table} (revision, loop)" for table in REVISED]

NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, body BLOB NOT NULL)"
NOTES_BY_LOOP = "CREATE INDEX notes_by_loop ON notes (loop, id)"

SCHEMA = f"""
CREATE TABLE loops (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE rounds (loop INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (loop, number));
CREATE TABLE runs (id TEXT PRIMARY KEY, loop INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
                   state TEXT NOT NULL, config_hash TEXT NOT NULL, config_group TEXT NOT NULL DEFAULT '',
                   revision INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);
CREATE INDEX runs_by_loop ON runs (loop, round, position);
CREATE INDEX runs_by_config ON runs (config_hash);
{RUNS_BY_STATE};
{RUNS_BY_GROUP};
CREATE TABLE attempts (id TEXT PRIMARY KEY, run TEXT NOT NULL, loop INTEGER NOT NULL, number INTEGER NOT NULL,
                       open INTEGER NOT NULL, revision INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);
CREATE INDEX attempts_by_run ON attempts (run, number);
CREATE INDEX attempts_open ON attempts (loop, open);
CREATE TABLE proposals (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, round INTEGER NOT NULL, status TEXT NOT NULL,
                        revision INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);
CREATE INDEX proposals_by_loop ON proposals (loop, round);
CREATE TABLE events (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX events_by_loop ON events (loop, id);
CREATE TABLE commands (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL,
                       actor TEXT NOT NULL, sent_at REAL NOT NULL, answered_at REAL, ok INTEGER, answer TEXT,
                       sender BLOB);
CREATE INDEX commands_open ON commands (loop, answered_at);
{NOTES};
{NOTES_BY_LOOP};
{DELIVERIES};
{";".join(BY_REVISION)};
"""


def _index_states(db: sqlite3.Connection) -> None:
    db.execute(RUNS_BY_STATE)


def _index_groups(db: sqlite3.Connection) -> None:
    """Add an index to find the replicates of a config in all loops."""
    db.execute("ALTER TABLE runs ADD COLUMN config_group TEXT NOT NULL DEFAULT ''")
    db.execute("UPDATE runs SET config_group = COALESCE(json_extract(CAST(body AS TEXT), '$.group'), '')")
    db.execute(RUNS_BY_GROUP)


def _name_trainers(db: sqlite3.Connection, folder: Path) -> None:
    """Imported here because only this migration needs the code that hashes trainings."""
    from autoloop.store.trainings import name_trainers

    name_trainers(db, folder)


def _record_senders(db: sqlite3.Connection) -> None:
    """Record the sender of each request. Pending requests were permitted when they were sent: they get a user at an unknown
    terminal as their sender."""
    db.execute("ALTER TABLE commands ADD COLUMN sender BLOB")
    known = "json_object('user', actor, 'terminal', 'unknown')"
    db.execute(f"UPDATE commands SET sender = CAST({known} AS BLOB) WHERE answered_at IS NULL")


def _add_notes(db: sqlite3.Connection) -> None:
    db.execute(NOTES)
    db.execute(NOTES_BY_LOOP)


def _add_deliveries(db: sqlite3.Connection) -> None:
    """Add the table of messages to hooks."""
    for statement in DELIVERIES.split(";"):
        db.execute(statement)


def _number_changes(db: sqlite3.Connection) -> None:
    """Add revisions, so that clients can find changed rows without reading the others."""
    for table, index in zip(REVISED, BY_REVISION, strict=True):
        db.execute(f"ALTER TABLE {table} ADD COLUMN revision INTEGER NOT NULL DEFAULT 0")
        db.execute(index)


MIGRATIONS: dict[int, Callable[[sqlite3.Connection, Path], None]] = {
    1: lambda db, _: _index_states(db),
    2: lambda db, _: make_relative(db),
    3: lambda db, _: make_typed(db),
    4: _name_trainers,
    5: lambda db, _: _index_groups(db),
    6: lambda db, _: _record_senders(db),
    7: lambda db, _: _add_notes(db),
    8: lambda db, _: _add_deliveries(db),
    9: lambda db, _: _number_changes(db),
}
"""Version -> the step from it to the next one, called inside a transaction with the project's path."""


COMPANIONS = ("-wal", "-shm")
"""Suffixes of the files that SQLite keeps beside a database."""


def connect(places: Places) -> sqlite3.Connection:
    """Connect to the project's database, migrating it to this version if needed.

    Raises StoreCorruptError if it is damaged or not ours, StoreUnavailableError if it cannot be used now, and UserError if
    it was written by a version that cannot be read.
    """
    try:
        # SQLite would treat an empty file as a new database. Check by stat only: closing a file descriptor of ours would
        # drop SQLite's locks on the file.
        if places.database.stat().st_size == 0:
            raise unusable(places.database, "it is empty: its contents are lost")
    except OSError as error:
        raise unusable(places.database, f"it cannot be inspected ({error.strerror})") from None
    try:
        # Autocommit mode: `Rows.transaction` begins and commits explicitly.
        db = sqlite3.connect(places.database, timeout=PATIENCE, isolation_level=None)
        try:
            _prepare_patiently(db, places)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise translated(error, places.database) from None
    return db


def connect_or_create(places: Places) -> tuple[sqlite3.Connection, str | None]:
    """Connect like `connect`, but create a missing file and set an unusable one aside. Returns the connection, and a notice
    about a lost or unusable file."""
    path = places.database
    try:
        if path.exists():
            return _connect_and_check(places), None
    except StoreCorruptError:
        pass
    with _alone(places):  # of two processes that find no usable file at once, only one creates it
        notice = None
        if path.exists():
            try:
                return _connect_and_check(places), None
            except StoreCorruptError as error:
                if driven(places):
                    raise UserError(f"{error} An engine is still using it: stop that first.") from None
                notice = (
                    f"{path} could not be used; it is kept as {set_aside(path, COMPANIONS).name}, and a new one was created."
                )
        elif lost(places):
            if driven(places):
                raise UserError(f"{path} is gone, but an engine is still using it: restore it, or stop the engine first.")
            set_aside(path, COMPANIONS)  # SQLite would apply a left-over -wal or -shm to the new file
            notice = f"{path} was missing, with all records of earlier loops; a new one was created."
        _make(path)
        return connect(places), notice


def lost(places: Places) -> bool:
    """Whether a missing database existed before: its companion files or attempts are still there."""
    try:
        return any(places.home.glob("autoloop.db-*")) or any((places.home / "attempts").iterdir())
    except OSError:
        return False


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    folder = os.open(places.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _make(path: Path) -> None:
    """Create a database, and rename it to `path` only when it is complete."""
    unfinished = path.with_name(f"{path.name}.new")
    try:
        for ending in ("", "-wal", "-shm", "-journal"):
            unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)
        db = sqlite3.connect(unfinished, isolation_level=None)
        try:
            unfinished.chmod(0o600)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("COMMIT")
        finally:
            db.close()
        unfinished.rename(path)
    except sqlite3.Error as error:
        raise translated(error, path) from None
    except OSError as error:
        raise StoreUnavailableError(
            f"{path} cannot be created ({error.strerror}); fix that and run the command again."
        ) from None


def _connect_and_check(places: Places) -> sqlite3.Connection:
    """Connect and check every page, because a new loop must not be written into a damaged file."""
    db = connect(places)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise unusable(places.database, f"it is damaged ({' '.join(str(found).split())})")
    except sqlite3.Error as error:
        db.close()
        raise translated(error, places.database) from None
    except BaseException:
        db.close()
        raise
    return db


def _prepare_patiently(db: sqlite3.Connection, places: Places) -> None:
    """Retry `_prepare` while another process prepares the same file: switching to WAL ignores the busy timeout."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return _prepare(db, places)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            db.rollback()
            time.sleep(0.01)


def _prepare(db: sqlite3.Connection, places: Places) -> None:
    """Check the file, set up the connection, and migrate the file if an older version wrote it."""
    path = places.database
    db.execute("BEGIN")  # read one consistent state: another process may be migrating the file
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    db.execute("COMMIT")
    if path.stat().st_size % db.execute("PRAGMA page_size").fetchone()[0]:
        raise unusable(path, "it is damaged: its end was cut off")
    if not tables:
        raise unusable(path, "it is damaged: it has no tables")
    if application != APPLICATION_ID:
        raise unusable(path, "it belongs to another program")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer Auto Loop (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Upgrade autoloop-tui, or use another project folder."
        )
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if version < SCHEMA_VERSION:
        _migrate(db, places, version)


def _migrate(db: sqlite3.Connection, places: Places, version: int) -> None:
    """Migrate an older file to this version, keeping a copy beside it. Raises UserError if an engine still uses it."""
    path = places.database
    if any(step not in MIGRATIONS for step in range(version, SCHEMA_VERSION)):
        raise UserError(
            f"{path} was written by an Auto Loop that is too old (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Use that version for it, or another project folder."
        )
    if driven(places):
        raise UserError(
            f"{path} was written by an older Auto Loop, and an engine of that version still runs a loop: wait until it "
            "ends, or use that version to watch it."
        )
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] == version:  # no other process has migrated it meanwhile
            _back_up(path, path.with_name(f"{path.name}.version-{version}"))
            for step in range(version, SCHEMA_VERSION):
                MIGRATIONS[step](db, places.project)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _back_up(path: Path, copy: Path) -> None:
    """Copy the database, and rename the result to `copy` only when it is complete."""
    unfinished = copy.with_name(f"{copy.name}.tmp")
    unfinished.unlink(missing_ok=True)
    # A connection inside a transaction cannot back itself up. A new one sees the state before the transaction.
    source, target = sqlite3.connect(path), sqlite3.connect(unfinished)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    unfinished.chmod(0o600)
    unfinished.replace(copy)
