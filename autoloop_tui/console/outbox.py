"""Commands for a store that another process has locked. They are sent in order from a separate thread, so that the screen
stays responsive."""

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
    """A request and its outcome: its number in the store, or why it could not be sent."""

    loop: int
    request: Request
    number: int | None = None
    problem: str = ""


class Outbox:
    """Sends commands from a thread that starts with the first one and ends with the app; the store's lock timeout bounds
    every wait."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._waiting: queue.SimpleQueue[Letter | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Letter] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """Number of commands that `taken` has not returned yet."""
        return self._under_way

    def put(self, letter: Letter) -> None:
        self._under_way += 1
        self._waiting.put(letter)
        if self._thread is None:
            # A daemon, because a disk that never answers must not keep the console from exiting.
            self._thread = threading.Thread(target=self._send_all, name="outbox", daemon=True)
            self._thread.start()

    def taken(self) -> list[Letter]:
        """Return the letters dealt with since the last call."""
        found: list[Letter] = []
        while not self._done.empty():
            found.append(self._done.get())
        self._under_way -= len(found)
        return found

    def close(self, seconds: float) -> list[Letter]:
        """Wait up to `seconds` for pending commands; return those that could not be sent."""
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
