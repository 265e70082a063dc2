"""Commands on their way to a store that somebody else keeps locked just now: sent from a thread of their own, in order, so
that the screen goes on meanwhile."""

from __future__ import annotations

import queue
import sqlite3
import threading
from pathlib import Path

import msgspec
from autoloop import whoami
from autoloop.model import UserError
from autoloop.protocol import Request, verb
from autoloop.store import Store


class Letter(msgspec.Struct, frozen=True):
    """A request, and what became of it: its number in the store or why it could not be sent."""

    loop: int
    request: Request
    number: int | None = None
    problem: str = ""


class Outbox:
    """The thread starts with the first command and ends with the app; the store's patience bounds every wait."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._waiting: queue.SimpleQueue[Letter | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Letter] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """How many commands `taken` has not given back yet."""
        return self._under_way

    def put(self, letter: Letter) -> None:
        self._under_way += 1
        self._waiting.put(letter)
        if self._thread is None:
            # A daemon: a disk that never answers must not keep the console from ending.
            self._thread = threading.Thread(target=self._send_all, name="outbox", daemon=True)
            self._thread.start()

    def taken(self) -> list[Letter]:
        """Those that have been dealt with since last asked."""
        found: list[Letter] = []
        while not self._done.empty():
            found.append(self._done.get())
        self._under_way -= len(found)
        return found

    def close(self, seconds: float) -> list[Letter]:
        """Wait for what is under way; what was not sent."""
        if self._thread is None:
            return []
        self._waiting.put(None)
        self._thread.join(seconds)
        return [letter for letter in self.taken() if letter.problem]

    def _send_all(self) -> None:
        while (letter := self._waiting.get()) is not None:
            self._done.put(self._send(letter))

    def _send(self, letter: Letter) -> Letter:
        try:
            with Store.open(self._project) as store:
                number = store.send(letter.loop, letter.request, whoami.this_process())
        except (UserError, sqlite3.Error, OSError) as error:
            return msgspec.structs.replace(letter, problem=f"{verb(letter.request)} was not sent: {error}")
        return msgspec.structs.replace(letter, number=number)
