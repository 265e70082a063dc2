"""A loop with an engine in a separate thread, and this thread as its client."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
from autoloop.engine import Engine
from autoloop.model import Event, Loop, Proposal, Sender
from autoloop.protocol import Request
from autoloop.store import Command, Store

from tests.support.senders import person
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from tests.engine.project import EngineProject


ADA = person("ada")


class Driven:
    """A loop with an engine in a separate thread. The methods do only what a client may do."""

    def __init__(
        self,
        project: EngineProject,
        loop: Loop,
        prepare: Callable[[Engine], object],
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self.project = project
        self.loop = loop
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._on_event = on_event
        self._engine: Engine | None = None
        self._thread = threading.Thread(target=self._drive, args=[prepare], daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def _drive(self, prepare: Callable[[Engine], object]) -> None:
        try:
            with Store.open(self.project.folder) as store:  # a connection belongs to one thread
                self._engine = self.project.engine(store, self.loop)
                prepare(self._engine)
                self._ready.set()
                self._engine.run(self._on_event)
        except BaseException as error:
            self._error = error
            self._ready.set()

    def leave(self) -> None:
        if self._engine is not None:
            self._engine.leave("the test is over")
        self._join()

    def end(self) -> Loop:
        """Wait until the loop ends, and return it."""
        self._join()
        return self.project.state(self.loop)

    def _join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"the engine goes on: {self.project.story(self.loop)[-5:]}"
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def ask(self, request: Request, sender: Sender = ADA) -> Command:
        """Send a request, wait for its answer, and return the command."""
        return self._answer(self.project.store.send(self.loop.id, request, sender))

    def _answer(self, number: int) -> Command:
        store = self.project.store

        def answered() -> Command | None:
            assert self._thread.is_alive() or store.command(number).ok is not None, "no engine to answer"
            command = store.command(number)
            return command if command.ok is not None else None

        command = eventually(answered, f"an answer to command {number}")
        assert isinstance(command, Command)
        return command

    def done(self, request: Request, sender: Sender = ADA) -> str:
        """Send a request that must succeed, and return the answer."""
        command = self.ask(request, sender)
        assert command.ok, command.answer
        return command.answer or ""

    def refused(self, request: Request, sender: Sender = ADA) -> str:
        """Send a request that must be refused, and return the answer, which must be one sentence."""
        return refusal(self.ask(request, sender))

    def ask_all(self, requests: Iterable[Request]) -> list[Command]:
        """Like `ask` for many requests, all of which are sent before the first answer is awaited."""
        numbers = [self.project.store.send(self.loop.id, request, person("ada")) for request in requests]
        return [self._answer(number) for number in numbers]

    def refused_all(self, requests: Iterable[Request]) -> None:
        for command in self.ask_all(requests):
            refusal(command)

    def rows_refused(self, rows: Iterable[tuple[str, Any]]) -> list[str]:
        """Write rows that no client of this version would write, as verb and payload; all must be refused.

        Return the answers.
        """
        return [refusal(command) for command in self._rows(rows)]

    def rows_done(self, rows: Iterable[tuple[str, Any]]) -> list[str]:
        """The same for rows that must be carried out."""
        commands = self._rows(rows)
        assert all(command.ok for command in commands), commands
        return [command.answer or "" for command in commands]

    def _rows(self, rows: Iterable[tuple[str, Any]]) -> list[Command]:
        store = self.project.store
        numbers = [write_row(store, self.loop.id, kind, payload) for kind, payload in rows]
        return [self._answer(number) for number in numbers]

    def until(self, condition: Callable[[], Any], what: str = "it") -> Any:
        def alive() -> Any:
            value = condition()
            assert value or self._thread.is_alive(), f"the engine ended before {what}: {self._error!r}"
            return value

        return eventually(alive, what)

    def waiting(self) -> list[Proposal]:
        """Wait until the loop waits for a decision, and return the proposals."""
        self.until(lambda: self.project.story(self.loop, "waiting"), "a decision is waited for")
        return self.project.proposals(self.loop)


def write_row(store: Store, loop: int, kind: str, payload: Any, actor: str = "ada") -> int:
    """Write a command as another version or a faulty client might, and return its number."""
    with closing(sqlite3.connect(store.places.database, timeout=PATIENCE)) as database, database:
        sender = msgspec.json.encode(person(actor))
        row = (loop, kind, json.dumps(payload), actor, time.time(), sender)
        sql = "INSERT INTO commands (loop, kind, payload, actor, sent_at, sender) VALUES (?, ?, ?, ?, ?, ?)"
        return database.execute(sql, row).lastrowid or 0


def refusal(command: Command) -> str:
    assert command.ok is False, command
    assert command.answer
    assert "Traceback" not in command.answer
    assert "\n" not in command.answer
    return command.answer
