"""The end on the loop's machine: a process started by sshd that sends a remote console the data it would read locally, and
passes the user's requests to the engine. It ends with the connection."""

from __future__ import annotations

import os
import select
import sqlite3
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec
from autoloop import protocol, whoami
from autoloop.engine import spawn
from autoloop.model import LOCAL, RunState, Sender, UserError
from autoloop.store import SCHEMA_VERSION, NoLoopError, Store
from autoloop.store.copying import Changes

from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import TROUBLE
from autoloop_tui.console.remote.messages import (
    BEAT,
    MARK,
    Ask,
    Beat,
    ConnectionCutError,
    FromConsole,
    Hello,
    Load,
    Look,
    Message,
    Reader,
    Ready,
    Refused,
    Rows,
    Sent,
    State,
    Wake,
    Welcome,
    Woken,
    Writer,
)
from autoloop_tui.console.remote.sending import Files, Histories, Logs

TICK = 0.25
"""Seconds between two polls of the loop."""

DEAF = 120.0
"""Seconds of silence after which the console counts as gone, because a lost connection may stay open at this end."""

SHARE = 10
"""After reading all rows, wait this many times as long as it took before reading them again."""

SAMPLE_EVERY = 2.0


def serve(project: Path) -> int:
    """Serve one console over standard input and output."""
    output = os.dup(1)
    os.dup2(2, 1)  # other output must not get between the messages

    def write(data: bytes) -> None:
        while data:
            data = data[os.write(output, data) :]

    try:
        write(MARK)
        link = Writer(write)
        heard = _Inbox()
        hello = heard.first()
        if isinstance(hello, Hello):
            try:
                _serve(project, hello, heard, link.send)
            except (UserError, sqlite3.Error) as error:
                link.send(Refused(str(error)))
    except (ConnectionCutError, BrokenPipeError, ConnectionResetError):
        pass
    return 0


def _serve(project: Path, hello: Hello, heard: _Inbox, send: Callable[[Message], None]) -> None:
    ours = version("autoloop-tui"), SCHEMA_VERSION
    if (hello.version, hello.schema) != ours:
        raise UserError(
            f"Auto Loop is version {ours[0]} (records {ours[1]}) there and {hello.version} ({hello.schema}) here; install "
            "the same version on both."
        )
    try:
        feed = Feed(project, hello.loop)
    except NoLoopError as error:
        raise UserError(f"{error} Or choose another folder there with --project.") from None
    try:
        served = ConsoleConnection(feed, send)
        served.begin()
        while True:
            for message in heard.within(TICK):
                served.hear(message)
            served.tick()
    finally:
        feed.close()


class _Inbox:
    """Incoming messages."""

    def __init__(self) -> None:
        self._reader: Reader[FromConsole] = Reader(FromConsole)
        self._last = time.monotonic()

    def first(self) -> FromConsole:
        while True:
            for message in self.within(TICK):
                return message

    def within(self, seconds: float) -> list[FromConsole]:
        """Return the messages that arrive within `seconds`. Raises ConnectionCutError if the connection has ended."""
        ready, _, _ = select.select([0], [], [], seconds)
        if ready:
            data = os.read(0, 1 << 16)
            if not data:
                raise ConnectionCutError("the console has gone")
            self._last = time.monotonic()
            return self._reader.take(data)
        if time.monotonic() - self._last > DEAF:
            raise ConnectionCutError("the console is silent")
        return []


class ConsoleConnection:
    """A connected console: what is on its screen and what it has received."""

    def __init__(self, feed: Feed, send: Callable[[Message], None]) -> None:
        self._feed = feed
        self._send_now = send
        self._look = Look(feed.loop_id, [], {}, sample=False)
        self._changes = Changes(feed.store.places)
        self._files = Files(feed.store.places)
        self._histories = Histories()
        self._logs = Logs()
        self._configs_due = True
        self._rows_again_at = 0.0
        self._state: State | None = None
        self._said_at = 0.0
        self._sampled_at = 0.0
        self._sampling: threading.Thread | None = None
        self._background: list[Message] = []
        """Messages from background threads; they append, the main thread sends."""
        self._whole = True

    def _send(self, message: Message) -> None:
        self._send_now(message)
        self._said_at = time.monotonic()

    def begin(self) -> None:
        """Send everything needed for the first paint."""
        places = self._feed.store.places
        self._send(Welcome(str(places.project), whoami.user(), self._feed.loop_id))
        self._files.send_settings(self._feed.store.loop(self._feed.loop_id), self._send)
        self._feed.poll(brief=True)
        self._send_rows()
        self._send_state()
        self._send(Ready())

    # ------------------------------------------------------------------------------------------------------- requests

    def hear(self, message: FromConsole) -> None:
        if isinstance(message, Look):
            self._look = message
            self._histories.keep(message.histories)
            if message.loop != self._feed.loop_id:
                self._feed.follow_loop(message.loop)
                self._files.send_settings(self._feed.store.loop(message.loop), self._send)
                self._configs_due = True
        elif isinstance(message, Ask):
            number, problem = self._ask(message)
            self._rows_again_at = 0.0
            self._send_rows()  # the console must know the command before it gets the number
            self._send(Sent(message.key, number, problem))
        elif isinstance(message, Wake):
            threading.Thread(target=self._wake, args=[message.loop], name="wake", daemon=True).start()

    def _ask(self, message: Ask) -> tuple[int | None, str]:
        try:
            request = protocol.decode(message.verb, message.payload)
            with Store.open(self._feed.store.places.project) as store:  # this store waits longer for a lock
                return store.send(message.loop, request, sender_of(message.sender)), ""
        except TROUBLE as error:
            return None, f"{message.verb} was not sent: {error}"

    def _wake(self, loop: int) -> None:
        try:
            with Store.open(self._feed.store.places.project) as store:
                started = spawn(store, store.loop(loop))
            said = Woken(ok=True, text=f"the engine is running again (process {started.pid})")
        except TROUBLE as error:
            said = Woken(ok=False, text=str(error))
        self._background.append(said)

    # ------------------------------------------------------------------------------------------------------ updates

    def tick(self) -> None:
        feed = self._feed
        if feed.poll():
            self._configs_due = True
        self._send_rows()
        self._send_state()
        while self._background:
            self._send(self._background.pop(0))
        view = feed.view
        if view is None:
            return
        if self._configs_due:
            self._files.send_settings(view.loop, self._send)
            self._configs_due = not self._files.send_configs(view.snapshot.runs, self._send)
        runs = [run for each in self._look.histories if (run := view.run(each))]
        self._histories.send(feed, runs, self._files, self._send)
        self._logs.send(feed, self._look.logs, self._send)
        self._sample()
        if time.monotonic() - self._said_at >= BEAT:
            self._send(Beat())

    def _send_rows(self) -> None:
        began = time.monotonic()
        if began < self._rows_again_at:
            return
        try:
            found = self._changes.take() if self._changes.any else []
        except TROUBLE:
            return  # the state says why
        if found:
            self._send(Rows(found, self._whole))
            self._whole = False
            self._rows_again_at = time.monotonic() + SHARE * (time.monotonic() - began)

    def _send_state(self) -> None:
        feed, view = self._feed, self._feed.view
        state = State(
            time.time(),
            feed.loop_id,
            view.engine if view else None,
            dict(view.present) if view else {},
            view.gone_since.at if view and view.gone_since else None,
            bool(view and view.gone_since and view.gone_since.seen),
            feed.unmasked,
            feed.problem,
        )
        before = self._state
        if before is None or state.at - before.at >= BEAT or msgspec.structs.replace(state, at=before.at) != before:
            self._state = state
            self._send(state)

    def _sample(self) -> None:
        """Sample the machine's load in a thread, because drivers may be slow."""
        now = time.monotonic()
        busy = self._sampling is not None and self._sampling.is_alive()
        if not self._look.sample or busy or now - self._sampled_at < SAMPLE_EVERY:
            return
        self._sampled_at = now
        self._sampling = threading.Thread(target=self._take_sample, name="sample", daemon=True)
        self._sampling.start()

    def _take_sample(self) -> None:
        view = self._feed.view
        if view is None:
            return
        running = [run for run in view.snapshot.runs if run.state in (RunState.RUNNING, RunState.STOPPING)]
        attempts = {run.id: view.snapshot.attempts[run.id] for run in running if run.id in view.snapshot.attempts}
        with_gpus = any(slot.gpus and slot.place == LOCAL for slot in view.loop.spec.slots)
        self._background.append(Load(self._feed.take_sample(attempts, with_gpus=with_gpus)))


def sender_of(told: Sender) -> Sender:
    """Return the sender of a request: the account is that of this machine, to which SSH has given access; the terminal is
    the console's."""
    here = whoami.this_process()
    return msgspec.structs.replace(
        told, user=here.user, agent=told.agent or here.agent, programs=[*told.programs, *here.programs]
    )
