"""The SQLite file: typed rows in, typed rows out.

A row is a few columns to search by and one JSON body that msgspec checks on the way in and out, so that the schema follows
`model.py`. WAL lets readers work beside the one writer; `synchronous=FULL` makes a committed transition survive a power cut.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from autoloop.model import Attempt, Event, Loop, Proposal, Round, Run, RunState, UserError
from autoloop.store.places import Places

SCHEMA_VERSION = 1
APPLICATION_ID = 0x41544C50  # "ATLP": tells our file from any other SQLite file

PATIENCE = 10.0
"""Seconds to wait for another process to finish what it writes."""

REMEMBERED = 20_000
"""Decoded rows kept of each kind."""

SCHEMA = """
CREATE TABLE loops (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE rounds (loop INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (loop, number));
CREATE TABLE runs (id TEXT PRIMARY KEY, loop INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
                   state TEXT NOT NULL, config_hash TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX runs_by_loop ON runs (loop, round, position);
CREATE INDEX runs_by_config ON runs (config_hash);
CREATE TABLE attempts (id TEXT PRIMARY KEY, run TEXT NOT NULL, loop INTEGER NOT NULL, number INTEGER NOT NULL,
                       open INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX attempts_by_run ON attempts (run, number);
CREATE INDEX attempts_open ON attempts (loop, open);
CREATE TABLE proposals (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, round INTEGER NOT NULL, status TEXT NOT NULL,
                        body BLOB NOT NULL);
CREATE INDEX proposals_by_loop ON proposals (loop, round);
CREATE TABLE events (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX events_by_loop ON events (loop, id);
CREATE TABLE commands (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL,
                       actor TEXT NOT NULL, sent_at REAL NOT NULL, answered_at REAL, ok INTEGER, answer TEXT);
CREATE INDEX commands_open ON commands (loop, answered_at);
"""

T = TypeVar("T")


class NoLoopYet(UserError):
    """The project has never run a loop."""

    def __init__(self, project: Path) -> None:
        super().__init__(
            f"There is no loop in {project} yet. Start one with `autoloop-tui run --cfgs … --exec`, "
            "or try `autoloop-tui demo`."
        )


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks the engine to do, and the engine's answer."""

    id: int
    loop: int
    kind: str
    payload: dict[str, Any]
    actor: str
    sent_at: float
    answered_at: float | None = None
    ok: bool | None = None
    answer: str | None = None


class Store:
    """One connection to a project's database. Owned and closed by whoever opened it; not shared between threads."""

    def __init__(self, places: Places, connection: sqlite3.Connection) -> None:
        self.places = places
        self._db = connection
        self._encode = msgspec.json.Encoder().encode
        self._decoders: dict[type, msgspec.json.Decoder[Any]] = {}
        self._decoded: dict[type, dict[bytes, Any]] = {}
        """Rows by their body: they are frozen, so an equal body is the same value and need not be decoded again."""

    @classmethod
    def open(cls, project: Path, *, create: bool = False) -> Store:
        """Open the project's database.

        Raises UserError where there is none (and `create` is false), where the file is not ours, or where a newer
        Auto Loop wrote it.
        """
        places = Places(project.resolve())
        if not places.database.exists():
            if not create:
                raise NoLoopYet(places.project)
            places.make()
        try:
            # Autocommit: every transaction is written out in `transaction()`.
            db = sqlite3.connect(places.database, timeout=PATIENCE, isolation_level=None)
            try:
                _prepare_patiently(db, places.database)
            except BaseException:
                db.close()
                raise
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"{places.database} cannot be used ({error}). Nothing was changed; move the file away to begin anew, "
                "or bring back a copy of it."
            ) from None
        return cls(places, db)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ change counter

    def version(self) -> int:
        """A number that differs whenever another process has changed the database. Cheap: microseconds."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Nested use joins the outer transaction."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several queries see one state of the database; writers are not held up."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    # ------------------------------------------------------------------------------------------------------- writing

    def put_loop(self, loop: Loop) -> None:
        self._put("loops", {"id": loop.id, "name": loop.name, "state": loop.state}, loop)

    def put_round(self, round_: Round) -> None:
        self._put("rounds", {"loop": round_.loop, "number": round_.number}, round_)

    def put_run(self, run: Run) -> None:
        keys = {"id": run.id, "loop": run.loop, "round": run.round, "position": run.position}
        self._put("runs", {**keys, "state": run.state, "config_hash": run.config_hash}, run)

    def put_attempt(self, attempt: Attempt, loop: int) -> None:
        keys = {"id": attempt.id, "run": attempt.run, "loop": loop, "number": attempt.number}
        self._put("attempts", {**keys, "open": attempt.result is None}, attempt)

    def put_proposal(self, proposal: Proposal) -> None:
        keys = {"id": proposal.id, "loop": proposal.loop, "round": proposal.round, "status": proposal.status}
        self._put("proposals", keys, proposal)

    def add_event(self, loop: int, kind: str, text: str, run: str | None = None) -> Event:
        with self.transaction():  # the engine of another loop counts up the same numbers
            event = Event(id=self.next_id("events"), loop=loop, at=time.time(), kind=kind, text=text, run=run)
            self._put("events", {"id": event.id, "loop": loop}, event)
        return event

    def next_id(self, table: str) -> int:
        """The next free number of `table`; meant for use inside a transaction."""
        return int(self._db.execute(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}").fetchone()[0])

    # ------------------------------------------------------------------------------------------------------- reading

    def loops(self, limit: int = 1000) -> list[Loop]:
        """Newest first."""
        return self._all(Loop, "SELECT body FROM loops ORDER BY id DESC LIMIT ?", limit)

    def loop(self, loop: int) -> Loop:
        return self._one(Loop, "SELECT body FROM loops WHERE id = ?", loop)

    def find_loop(self, name: str | None) -> Loop:
        """The loop called `name` (its name or its number), else the newest.

        UserError where there is none.
        """
        if name is None:
            newest = self.loops(1)
            if not newest:
                raise NoLoopYet(self.places.project)
            return newest[0]
        found = self._all(Loop, "SELECT body FROM loops WHERE name = ? OR id = ?", name, name)
        if not found:
            raise UserError(f"There is no loop called {name!r} here. `autoloop-tui status --all` lists the loops.")
        return found[0]

    def rounds(self, loop: int) -> list[Round]:
        return self._all(Round, "SELECT body FROM rounds WHERE loop = ? ORDER BY number", loop)

    def runs(self, loop: int, round_: int | None = None) -> list[Run]:
        if round_ is None:
            return self._all(Run, "SELECT body FROM runs WHERE loop = ? ORDER BY round, position", loop)
        return self._all(Run, "SELECT body FROM runs WHERE loop = ? AND round = ? ORDER BY position", loop, round_)

    def queued(self, loop: int) -> list[Run]:
        return self._all(
            Run, "SELECT body FROM runs WHERE loop = ? AND state = 'queued' ORDER BY round, position", loop
        )

    def run(self, run: str) -> Run:
        return self._one(Run, "SELECT body FROM runs WHERE id = ?", run)

    def runs_with_config(self, config_hash: str) -> list[Run]:
        return self._all(Run, "SELECT body FROM runs WHERE config_hash = ? ORDER BY loop, round", config_hash)

    def where_run(self, config_hash: str) -> str | None:
        """Where a config of this hash has run, runs or is queued, over all loops; runs that failed do not count."""
        for run in self.runs_with_config(config_hash):
            if run.state not in (RunState.FAILED, RunState.LOST, RunState.STOPPED):
                return f"run {run.id} ({run.name}) of {self.loop(run.loop).name}"
        return None

    def attempts(self, run: str) -> list[Attempt]:
        return self._all(Attempt, "SELECT body FROM attempts WHERE run = ? ORDER BY number", run)

    def loop_attempts(self, loop: int) -> list[Attempt]:
        return self._all(Attempt, "SELECT body FROM attempts WHERE loop = ? ORDER BY run, number", loop)

    def open_attempts(self, loop: int) -> list[Attempt]:
        """Attempts that have not been counted yet: started, or meant to be."""
        return self._all(Attempt, "SELECT body FROM attempts WHERE loop = ? AND open = 1 ORDER BY rowid", loop)

    def proposals(self, loop: int, round_: int | None = None) -> list[Proposal]:
        if round_ is None:
            return self._all(Proposal, "SELECT body FROM proposals WHERE loop = ? ORDER BY id", loop)
        return self._all(Proposal, "SELECT body FROM proposals WHERE loop = ? AND round = ? ORDER BY id", loop, round_)

    def proposal(self, proposal: int) -> Proposal:
        return self._one(Proposal, "SELECT body FROM proposals WHERE id = ?", proposal)

    def events(self, loop: int, after: int = 0, limit: int = 10_000) -> list[Event]:
        return self._all(
            Event, "SELECT body FROM events WHERE loop = ? AND id > ? ORDER BY id LIMIT ?", loop, after, limit
        )

    # ------------------------------------------------------------------------------------------------------ commands

    def send(self, loop: int, kind: str, payload: dict[str, Any], actor: str) -> int:
        """The one thing a client writes. Returns the command's number, to look for its answer.

        UserError for text that no file could hold: bytes from a command line that are not UTF-8.
        """
        try:
            body = self._encode(payload)
        except UnicodeEncodeError:
            raise UserError(f"The {kind} command holds text that is not UTF-8; write it anew.") from None
        with self.transaction():
            cursor = self._db.execute(
                "INSERT INTO commands (loop, kind, payload, actor, sent_at) VALUES (?, ?, ?, ?, ?)",
                (loop, kind, body, actor, time.time()),
            )
        return int(cursor.lastrowid or 0)

    def open_commands(self, loop: int) -> list[Command]:
        return self._commands("loop = ? AND answered_at IS NULL ORDER BY id", loop)

    def command(self, command: int) -> Command:
        return self._commands("id = ?", command)[0]

    def answer(self, command: int, ok: bool, text: str) -> None:
        self._db.execute(
            "UPDATE commands SET answered_at = ?, ok = ?, answer = ? WHERE id = ?", (time.time(), ok, text, command)
        )

    # ------------------------------------------------------------------------------------------------------- plumbing

    def _put(self, table: str, keys: dict[str, Any], body: Any) -> None:
        columns = [*keys, "body"]
        primary = "loop, number" if table == "rounds" else "id"
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT ({primary}) DO UPDATE SET {updates}",
            (*keys.values(), self._encode(body)),
        )

    def _all(self, kind: type[T], sql: str, *values: Any) -> list[T]:
        decoder = self._decoders.setdefault(kind, msgspec.json.Decoder(kind))
        known = self._decoded.setdefault(kind, {})
        found = []
        for (body,) in self._db.execute(sql, values):
            value = known.get(body)
            if value is None:
                if len(known) >= REMEMBERED:
                    known.clear()
                value = known[body] = decoder.decode(body)
            found.append(value)
        return found

    def _one(self, kind: type[T], sql: str, value: Any) -> T:
        found = self._all(kind, sql, value)
        if not found:
            raise UserError(f"There is no {kind.__name__.lower()} {value!r} in {self.places.project}.")
        return found[0]

    def _commands(self, where: str, *values: Any) -> list[Command]:
        rows: Sequence[tuple[Any, ...]] = self._db.execute(
            "SELECT id, loop, kind, payload, actor, sent_at, answered_at, ok, answer FROM commands WHERE " + where,
            values,
        ).fetchall()
        return [
            Command(
                id=row[0],
                loop=row[1],
                kind=row[2],
                payload=_payload(row[3]),
                actor=row[4],
                sent_at=row[5],
                answered_at=row[6],
                ok=None if row[7] is None else bool(row[7]),
                answer=row[8],
            )
            for row in rows
        ]


def _payload(raw: bytes | str) -> dict[str, Any]:
    """A command's payload; anything that is not a JSON object counts as empty and is refused by the command itself."""
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, TypeError, RecursionError):  # not JSON, not even text, or nested without end
        return {}
    return value if isinstance(value, dict) else {}


def _prepare_patiently(db: sqlite3.Connection, path: Path) -> None:
    """`_prepare`, again while another process makes the same file: the change to WAL does not wait for locks itself."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return _prepare(db, path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            db.rollback()
            time.sleep(0.01)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Bring a connection and, when new, the file into the expected shape."""
    db.execute("BEGIN")  # one state of the file: another process may be making it just now
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    db.execute("COMMIT")
    if application not in (0, APPLICATION_ID) or (application == 0 and tables):
        raise UserError(f"{path} is a database of another program. Move it away; Auto Loop does not touch it.")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer Auto Loop (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Upgrade autoloop-tui, or use another project folder."
        )
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if application == 0:
        db.execute("BEGIN IMMEDIATE")
        # Another process may have been first while this one waited for the lock.
        if not db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            for statement in SCHEMA.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
