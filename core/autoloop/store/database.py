"""The store of a project: its queries and writes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from autoloop import protocol
from autoloop.model import Attempt, Delivery, Event, EventKind, Loop, Note, Proposal, Round, Run, RunState, Sender, UserError
from autoloop.model.structs import decode
from autoloop.protocol import Request
from autoloop.secrets import masked_document
from autoloop.store.access import check_access, driven
from autoloop.store.kept import LoopRows
from autoloop.store.opening import connect, connect_or_create, lost
from autoloop.store.places import Places
from autoloop.store.rows import AT_ONCE, Rows
from autoloop.store.trouble import StoreUnavailableError, unusable
from autoloop.text.suggest import did_you_mean


class NoLoopError(UserError):
    """The project has never run a loop."""

    def __init__(self, project: Path) -> None:
        super().__init__(
            f"There is no loop in {project} yet. Start one with `autoloop-tui run --cfgs … --exec`, "
            "or try `autoloop-tui demo`."
        )


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `commands`: a client's request to the engine, and the engine's answer."""

    id: int
    loop: int
    kind: str
    """The verb of the request."""
    payload: bytes
    """The other fields of the request as JSON. Not validated: another program may have written the row."""
    sender: Sender
    sent_at: float
    answered_at: float | None = None
    ok: bool | None = None
    answer: str | None = None

    @property
    def request(self) -> Request:
        """The decoded request. Raises UserError if the row holds no valid request."""
        return protocol.decode(self.kind, self.payload)


class Store(Rows):
    """A project's database."""

    def __init__(self, places: Places, connection: sqlite3.Connection, notice: str | None = None) -> None:
        super().__init__(places, connection, notice)
        self.touched: dict[int, int] = {}
        """By loop: the earliest round with a run or a proposal written through this store. The reader removes entries."""

    @classmethod
    def open(cls, project: Path, *, create: bool = False) -> Store:
        """Open the project's database.

        Raises UserError if there is none (and `create` is false), if it belongs to another user or is in use on another
        machine, or if a newer Auto Loop wrote it. A file that is damaged, lost or not ours raises StoreCorruptError; with
        `create`, it is set aside instead, and `notice` names it.
        """
        places = Places(project.resolve())
        check_access(places)
        if not create:
            if places.database.exists():
                return cls(places, connect(places))
            raise unusable(places.database, "it is gone") if lost(places) else NoLoopError(places.project)
        places.make()
        check_access(places)  # again: a folder that existed before may belong to another user
        db, notice = connect_or_create(places)
        return cls(places, db, notice)

    # ------------------------------------------------------------------------------------------------------- writing

    def put_loop(self, loop: Loop) -> None:
        self._put("loops", {"id": loop.id, "name": loop.name, "state": loop.state}, loop)

    def put_round(self, round_: Round) -> None:
        self._put("rounds", {"loop": round_.loop, "number": round_.number}, round_)

    def put_run(self, run: Run) -> None:
        self._touch(run.loop, run.round)
        keys: dict[str, Any] = {"id": run.id, "loop": run.loop, "round": run.round, "position": run.position}
        keys |= {"state": run.state, "config_hash": run.config_hash, "config_group": run.group}
        self._put("runs", keys, run)

    def put_attempt(self, attempt: Attempt, loop: int) -> None:
        keys = {"id": attempt.id, "run": attempt.run, "loop": loop, "number": attempt.number}
        self._put("attempts", {**keys, "open": attempt.result is None}, attempt)

    def put_proposal(self, proposal: Proposal) -> None:
        self._touch(proposal.loop, proposal.round)
        keys = {"id": proposal.id, "loop": proposal.loop, "round": proposal.round, "status": proposal.status}
        self._put("proposals", keys, proposal)

    def put_note(self, note: Note) -> None:
        self._put("notes", {"id": note.id, "loop": note.loop}, note)

    def _touch(self, loop: int, round_: int) -> None:
        self.touched[loop] = min(round_, self.touched.get(loop, round_))

    def add_event(self, loop: int, kind: EventKind, text: str, run: str | None = None) -> Event:
        with self.transaction():  # engines of other loops take numbers from the same sequence
            event = Event(id=self.next_id("events"), loop=loop, at=time.time(), kind=kind, text=text, run=run)
            self._put("events", {"id": event.id, "loop": loop}, event)
        return event

    def put_delivery(self, delivery: Delivery) -> None:
        keys: dict[str, Any] = {"id": delivery.id, "loop": delivery.loop, "hook": delivery.hook}
        self._put("deliveries", {**keys, "message": delivery.message.id, "open": delivery.open}, delivery)

    def forget_loop(self, loop: int) -> None:
        """Delete a loop that has not run anything."""
        with self.transaction():
            last = self._sql("SELECT MAX(revision) FROM runs")[0][0]
            for table in ("deliveries", "events", "commands", "notes", "proposals", "runs", "rounds"):
                self._sql(f"DELETE FROM {table} WHERE loop = ?", loop)
            self._sql("DELETE FROM loops WHERE id = ?", loop)
            # A revision number must never be reused: clients ask for changes after the last one that they saw.
            self._sql("UPDATE runs SET revision = ? WHERE revision = (SELECT MAX(revision) FROM runs)", last)

    def next_id(self, table: str) -> int:
        """The next free id of `table`. Call it inside a transaction."""
        return int(self._sql(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}")[0][0])

    # ------------------------------------------------------------------------------------------------------- reading

    def loops(self, limit: int = 1000) -> list[Loop]:
        """The loops, newest first; a `limit` of -1 returns all of them."""
        return self._all(Loop, "SELECT rowid, body FROM loops ORDER BY id DESC LIMIT ?", limit)

    def loops_with_proposals(self) -> set[int]:
        """The ids of the loops that have proposals."""
        return {int(row[0]) for row in self._sql("SELECT DISTINCT loop FROM proposals")}

    def loop(self, loop: int) -> Loop:
        return self._one(Loop, "SELECT rowid, body FROM loops WHERE id = ?", loop)

    def find_run(self, loop: Loop, wanted: str) -> Run:
        """The run with this id, or else the newest with this name. Raises UserError if the loop has neither."""
        runs = self.runs(loop.id)
        found = [run for run in runs if run.id == wanted] or [run for run in runs if run.name == wanted]
        if not found:
            words = [word for run in runs for word in (run.name, run.id)]
            hint = did_you_mean(wanted, words, "`autoloop-tui runs` lists them.")
            raise UserError(f'{loop.name} has no run "{wanted}"; {hint}')
        return found[-1]

    def find_loop(self, name: str | None) -> Loop:
        """The loop with this name or number; without `name`, the newest loop.

        Raises UserError if there is none.
        """
        if name is None:
            newest = self.loops(1)
            if not newest and driven(self.places):
                raise StoreUnavailableError(
                    f"{self.places.database} has no loop, although an engine is running one: a file beside it (-wal, -shm) "
                    "was deleted or replaced. Wait until the loop ends, when its engine writes everything to it."
                )
            if not newest:
                raise NoLoopError(self.places.project)
            return newest[0]
        found = self._all(Loop, "SELECT rowid, body FROM loops WHERE name = ? OR id = ?", name, name)
        if not found:
            raise UserError(f'There is no loop "{name}" here; `autoloop-tui status --all` lists the loops.')
        return found[0]

    def rounds(self, loop: int) -> list[Round]:
        return self._all(Round, "SELECT rowid, body FROM rounds WHERE loop = ? ORDER BY number", loop)

    def last_round(self, loop: int) -> Round:
        return self._one(Round, "SELECT rowid, body FROM rounds WHERE loop = ? ORDER BY number DESC LIMIT 1", loop)

    def runs(self, loop: int, round_: int | None = None) -> list[Run]:
        """The runs of a loop, or of one of its rounds, in order of creation: the first is the baseline, and reordering the
        queue does not change that."""
        if round_ is None:
            return self._all(Run, "SELECT rowid, body FROM runs WHERE loop = ? ORDER BY round, rowid", loop)
        return self._all(Run, "SELECT rowid, body FROM runs WHERE loop = ? AND round = ? ORDER BY rowid", loop, round_)

    def each_run(self, loop: int, round_: int | None = None) -> Iterator[Run]:
        """Like `runs`, but read in small batches: memory does not grow with the number of runs, and a slow consumer blocks
        no one. Each run has the state it had when its batch was read."""
        where, values = ("loop = ?", (loop,)) if round_ is None else ("loop = ? AND round = ?", (loop, round_))
        rows = [row[0] for row in self._sql(f"SELECT rowid FROM runs WHERE {where} ORDER BY round, rowid", *values)]
        for some in (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)):
            marks = ", ".join("?" * len(some))
            found = dict(self._rows(Run, f"SELECT rowid, body FROM runs WHERE rowid IN ({marks})", *some, kept=False))
            yield from (found[row] for row in some if row in found)

    def rows_of(self, loop: Loop) -> LoopRows:
        """The loop's runs, newest attempts and proposals, and the replicates of its runs in other loops. Reads only rows
        that changed since the last call for this loop."""
        if self._kept is None or not self._kept.are_of(loop):
            self._kept = LoopRows(loop)
        kept, self._kept = self._kept, None  # if the update fails halfway, the next call reads everything again
        kept.bring_up(self, self.replicates_elsewhere)
        self._kept = kept
        return kept

    def take_over(self, rows: LoopRows) -> None:
        """Continue from rows that another store of this project has read in another thread."""
        self._kept = rows

    def forget_rows(self) -> None:
        """Make the next `rows_of` read all rows again. Needed if the file's rows, and so their revisions, were replaced."""
        self._kept = None

    def counts(self, loop: int, round_: int | None = None) -> dict[RunState, int]:
        """The number of runs in each state, in the loop or in one of its rounds."""
        sql = "SELECT state, COUNT(*) FROM runs WHERE loop = ? AND round = COALESCE(?, round) GROUP BY state"
        return {RunState(state): number for state, number in self._sql(sql, loop, round_)}

    def all_ended(self, loop: int, round_: int | None = None) -> bool:
        """Whether no run of the loop, or of one of its rounds, is queued or active. The cost does not grow with the runs."""
        states = ", ".join(f"'{state.value}'" for state in RunState if not state.ended)
        where = "" if round_ is None else f" AND round = {round_}"
        return not self._sql(f"SELECT 1 FROM runs WHERE loop = ? AND state IN ({states}){where} LIMIT 1", loop)

    def number_of_runs(self, loop: int) -> int:
        return int(self._sql("SELECT COUNT(*) FROM runs WHERE loop = ?", loop)[0][0])

    def newest_in(self, loop: int, state: RunState, limit: int) -> list[Run]:
        """The newest `limit` runs in a state, newest first."""
        sql = "SELECT rowid, body FROM runs WHERE loop = ? AND state = ? ORDER BY round DESC, rowid DESC LIMIT ?"
        return self._all(Run, sql, loop, state, limit)

    def queued(self, loop: int, limit: int = -1) -> list[Run]:
        """The queued runs in queue order, at most `limit` of them."""
        sql = "SELECT rowid, body FROM runs WHERE loop = ? AND state = 'queued' ORDER BY round, position LIMIT ?"
        return self._all(Run, sql, loop, limit)

    def run(self, run: str) -> Run:
        return self._one(Run, "SELECT rowid, body FROM runs WHERE id = ?", run)

    def runs_with_config(self, config_hash: str) -> list[Run]:
        return self._all(Run, "SELECT rowid, body FROM runs WHERE config_hash = ? ORDER BY loop, round, rowid", config_hash)

    def where_run(self, config_hash: str) -> str | None:
        """The run of any loop that has this config and finished, is active or is queued, in words; None if there is none.

        Failed, lost and stopped runs do not count.
        """
        for run in self.runs_with_config(config_hash):
            if run.state not in (RunState.FAILED, RunState.LOST, RunState.STOPPED):
                return f"run {run.id} ({run.name}) of {self.loop(run.loop).name}"
        return None

    def replicates_elsewhere(self, loop: int, limit: int = 500) -> list[Run]:
        """The newest finished runs of other loops that differ from a run of this loop only in the seed."""
        return self._all(
            Run,
            "SELECT rowid, body FROM runs WHERE loop != ? AND state = 'finished' AND config_group != '' AND config_group IN "
            "(SELECT config_group FROM runs WHERE loop = ? AND config_group != '') ORDER BY loop DESC, round, rowid LIMIT ?",
            loop,
            loop,
            limit,
        )

    def attempts(self, run: str) -> list[Attempt]:
        return self._all(Attempt, "SELECT rowid, body FROM attempts WHERE run = ? ORDER BY number", run)

    def started_runs(self, loop: int) -> int:
        """The number of runs of the loop that have had an attempt."""
        return int(self._sql("SELECT COUNT(DISTINCT run) FROM attempts WHERE loop = ?", loop)[0][0])

    def loop_attempts(self, loop: int) -> list[Attempt]:
        return self._all(Attempt, "SELECT rowid, body FROM attempts WHERE loop = ? ORDER BY run, number", loop)

    def round_attempts(self, loop: int, round_: int) -> list[Attempt]:
        """The attempts of one round's runs; the attempts of each run are ordered by number."""
        of_round = "SELECT id FROM runs WHERE loop = ? AND round = ?"
        sql = f"SELECT rowid, body FROM attempts WHERE run IN ({of_round}) ORDER BY run, number"
        return self._all(Attempt, sql, loop, round_)

    def newest_attempts(self, loop: int, limit: int) -> list[Attempt]:
        """The newest `limit` attempts, newest first."""
        return self._all(Attempt, "SELECT rowid, body FROM attempts WHERE loop = ? ORDER BY rowid DESC LIMIT ?", loop, limit)

    def open_attempts(self, loop: int) -> list[Attempt]:
        """The attempts without a recorded result: started, or about to be."""
        return self._all(Attempt, "SELECT rowid, body FROM attempts WHERE loop = ? AND open = 1 ORDER BY rowid", loop)

    def proposals(self, loop: int, round_: int | None = None) -> list[Proposal]:
        if round_ is None:
            return self._all(Proposal, "SELECT rowid, body FROM proposals WHERE loop = ? ORDER BY id", loop)
        sql = "SELECT rowid, body FROM proposals WHERE loop = ? AND round = ? ORDER BY id"
        return self._all(Proposal, sql, loop, round_)

    def proposal(self, proposal: int) -> Proposal:
        return self._one(Proposal, "SELECT rowid, body FROM proposals WHERE id = ?", proposal)

    def events(self, loop: int, after: int = 0, limit: int = 10_000) -> list[Event]:
        return self._all(
            Event, "SELECT rowid, body FROM events WHERE loop = ? AND id > ? ORDER BY id LIMIT ?", loop, after, limit
        )

    def notes(self, loop: int) -> list[Note]:
        """The notes of users and agents on a loop, oldest first."""
        return self._all(Note, "SELECT rowid, body FROM notes WHERE loop = ? ORDER BY id", loop)

    def deliveries(self, loop: int, limit: int = 1000) -> list[Delivery]:
        """The deliveries of a loop, newest first."""
        return self._all(Delivery, "SELECT rowid, body FROM deliveries WHERE loop = ? ORDER BY id DESC LIMIT ?", loop, limit)

    def open_deliveries(self, loop: int) -> list[Delivery]:
        """The deliveries that are not finished, in order of creation."""
        return self._all(Delivery, "SELECT rowid, body FROM deliveries WHERE loop = ? AND open = 1 ORDER BY id", loop)

    def delivery(self, delivery: int) -> Delivery:
        return self._one(Delivery, "SELECT rowid, body FROM deliveries WHERE id = ?", delivery)

    def has_delivery(self, loop: int, hook: str, message: str) -> bool:
        """Whether a delivery of this message to the hook exists, pending or finished."""
        return bool(self._sql("SELECT 1 FROM deliveries WHERE loop = ? AND hook = ? AND message = ?", loop, hook, message))

    # ------------------------------------------------------------------------------------------------------ commands

    def send(self, loop: int, request: Request, sender: Sender) -> int:
        """Write a request to the engine, the only thing that a client writes. Returns its id, for reading the answer.

        Raises UserError for text that cannot be stored (bytes from a command line that are not UTF-8) or must not be
        (secrets).
        """
        kind, fields = protocol.verb(request), protocol.payload(request)
        if masked_document(fields) != fields:
            raise UserError(
                f"The {kind} command contains a secret, which would be stored: omit it, and put it in the trainer's "
                "environment or a config."
            )
        try:
            body = self._encode(fields)
        except UnicodeEncodeError:
            raise UserError(f"The {kind} command holds text that is not UTF-8; correct it.") from None
        with self.transaction():
            self._sql(
                "INSERT INTO commands (loop, kind, payload, actor, sent_at, sender) VALUES (?, ?, ?, ?, ?, ?)",
                loop,
                kind,
                body,
                sender.user,
                time.time(),
                self._encode(sender),
            )
            return int(self._sql("SELECT last_insert_rowid()")[0][0])

    def open_commands(self, loop: int) -> list[Command]:
        return self._commands("loop = ? AND answered_at IS NULL ORDER BY id", loop)

    def answered_commands(self, loop: int) -> list[Command]:
        return self._commands("loop = ? AND answered_at IS NOT NULL ORDER BY id", loop)

    def last_commands(self, loop: int, limit: int) -> list[Command]:
        """The newest `limit` commands, oldest first."""
        return self._commands("loop = ? ORDER BY id DESC LIMIT ?", loop, limit)[::-1]

    def command(self, command: int) -> Command:
        return self._commands("id = ?", command)[0]

    def answer(self, command: int, ok: bool, text: str) -> None:
        self._sql("UPDATE commands SET answered_at = ?, ok = ?, answer = ? WHERE id = ?", time.time(), ok, text, command)

    def _commands(self, where: str, *values: Any) -> list[Command]:
        rows = self._sql(
            "SELECT id, loop, kind, payload, actor, sent_at, answered_at, ok, answer, sender FROM commands WHERE " + where,
            *values,
        )
        return [
            Command(
                id=row[0],
                loop=row[1],
                kind=row[2],
                payload=row[3],
                sender=_sender(row[9], row[4]),
                sent_at=row[5],
                answered_at=row[6],
                ok=None if row[7] is None else bool(row[7]),
                answer=row[8],
            )
            for row in rows
        ]


def _sender(body: bytes | None, user: str) -> Sender:
    """The sender of a command. A row without a readable sender gets one that has only the user name, and no terminal."""
    try:
        return decode(body or b"", Sender)
    except (msgspec.DecodeError, TypeError):
        return Sender(user=user)
