"""A loop with an engine in a thread of its own, and this thread as its client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from autoloop.engine import Engine
from autoloop.model import Event, Loop, Proposal
from autoloop.store import Command, Store

from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from tests.engine.project import Project


class Driven:
    """A loop with an engine in a thread of its own. Everything here is what a client may do."""

    def __init__(
        self,
        project: Project,
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
        """Wait for the loop's end."""
        self._join()
        return self.project.state(self.loop)

    def _join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"the engine goes on: {self.project.story(self.loop)[-5:]}"
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def ask(self, kind: str, **payload: Any) -> Command:
        """Send a command and wait for its answer."""
        return self._answer(kind, self.project.store.send(self.loop.id, kind, payload, "ada"))

    def _answer(self, kind: str, number: int) -> Command:
        store = self.project.store

        def answered() -> Command | None:
            assert self._thread.is_alive() or store.command(number).ok is not None, "no engine to answer"
            command = store.command(number)
            return command if command.ok is not None else None

        command = eventually(answered, f"an answer to {kind}")
        assert isinstance(command, Command)
        return command

    def done(self, kind: str, **payload: Any) -> str:
        """The answer to a command that must succeed."""
        command = self.ask(kind, **payload)
        assert command.ok, command.answer
        return command.answer or ""

    def refused(self, kind: str, **payload: Any) -> str:
        """The answer to a command that must be refused: one sentence."""
        return refusal(self.ask(kind, **payload))

    def ask_all(self, asked: Iterable[tuple[str, dict[str, Any]]]) -> list[Command]:
        """`ask` for many commands, all sent before the first answer is awaited."""
        store = self.project.store
        sent = [(kind, store.send(self.loop.id, kind, payload, "ada")) for kind, payload in asked]
        return [self._answer(kind, number) for kind, number in sent]

    def refused_all(self, asked: Iterable[tuple[str, dict[str, Any]]]) -> None:
        for command in self.ask_all(asked):
            refusal(command)

    def until(self, condition: Callable[[], Any], what: str = "it") -> Any:
        def alive() -> Any:
            value = condition()
            assert value or self._thread.is_alive(), f"the engine ended before {what}: {self._error!r}"
            return value

        return eventually(alive, what)

    def waiting(self) -> list[Proposal]:
        """Wait until the loop waits for a decision; the proposals."""
        self.until(lambda: self.project.story(self.loop, "waiting"), "a decision is waited for")
        return self.project.proposals(self.loop)


def refusal(command: Command) -> str:
    assert command.ok is False, command
    assert command.answer
    assert "Traceback" not in command.answer
    assert "\n" not in command.answer
    return command.answer
