"""The connection to the loop's machine: the user's own `ssh`, started again whenever it has ended, in a thread."""

from __future__ import annotations

import os
import queue
import re
import select
import shlex
import subprocess
import tempfile
import threading
import time
from importlib.metadata import version
from typing import IO, NamedTuple

from autoloop.model import UserError
from autoloop.store import SCHEMA_VERSION

from autoloop_tui.console.remote.messages import (
    BEAT,
    MARK,
    SILENCE,
    Beat,
    ConnectionCutError,
    FromLoop,
    Hello,
    Message,
    Reader,
    Ready,
    Refused,
    Welcome,
    Writer,
)
from autoloop_tui.console.remote.mirror import Mirror

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before the next try to connect; the last one for all that follow."""

NOISE = 1 << 16
"""Bytes that a shell's start files may print before the far end speaks."""

NOT_FOUND = 127
"""What a shell ends with if it does not find the program."""

_HOST = re.compile(r"[^\s\x00-\x1f\x7f-]\S*")


class Where(NamedTuple):
    """A project on another machine. `project`: a folder there, absolute, from the home folder, or with `~`."""

    host: str
    project: str | None = None
    program: str = "autoloop-tui"


class Cut(NamedTuple):
    """The connection is cut: since when (by this machine's clock), and why."""

    since: float
    why: str


def command(where: Where, *, batch: bool) -> list[str]:
    """The ssh that serves a console. `batch`: it must not ask anything. UserError for what is no host."""
    if not _HOST.fullmatch(where.host):
        raise UserError(f'"{where.host}" is not a valid SSH host; give its name, as in `ssh NAME`.')
    folder = ["--project", where.project] if where.project else []
    home, _, below = where.program.partition("~/")
    program = f"~/{shlex.quote(below)}" if not home and below else shlex.quote(where.program)
    # A login shell, whose PATH has what the user's start files put there; and that of the shell that sshd starts.
    there = f'PATH="$PATH:$1"; exec {program} {shlex.join(["serve-console", *folder])}'
    options = [
        *("-T", "-o", "ConnectTimeout=15", *(("-o", "BatchMode=yes") if batch else ())),
        *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes"),
    ]
    return ["ssh", *options, "--", where.host, f'sh -lc {shlex.quote(there)} sh "$PATH"']


class Link(threading.Thread):
    """Fills the mirror, and hands over all other messages by `inbox`, `Ready` each time that a connection stands."""

    def __init__(self, where: Where, loop: str | None, mirror: Mirror) -> None:
        super().__init__(name="link", daemon=True)
        self.where = where
        self._loop = loop
        self._mirror = mirror
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._bell: tuple[int, ...] = os.pipe()
        """Wakes the thread: there is something to send, or it shall end."""
        self._over = threading.Event()
        self._stands = False
        self._first = threading.Event()
        """The first connection stands, or there is none."""
        self.welcome: Welcome | None = None
        self.cut: Cut | None = Cut(time.time(), "")
        """None while the connection stands."""

    # --------------------------------------------------------------------------------------------- by the console's thread

    def wait(self) -> Welcome:
        """Connect for the first time: ssh may ask at the terminal. UserError if that fails."""
        self.start()
        self._first.wait()
        if self.welcome is None:
            raise UserError(self.cut.why if self.cut else f"There is no connection to {self.where.host}.")
        return self.welcome

    def send(self, message: Message) -> None:
        """It is lost if the connection is cut."""
        self._outbox.put(message)
        self._ring()

    def close(self) -> None:
        self._over.set()
        self._ring()
        if self.is_alive():
            self.join(5)
        if self._bell and not self.is_alive():
            for fd in self._bell:
                os.close(fd)
            self._bell = ()

    def _ring(self) -> None:
        if self._bell:
            os.write(self._bell[1], b".")

    # -------------------------------------------------------------------------------------------------------- its own thread

    def run(self) -> None:
        try:
            self._connect_again_and_again()
        finally:
            self._mirror.end()

    def _connect_again_and_again(self) -> None:
        tries = 0
        while not self._over.is_set():
            why = self._connect_once()
            tries = 0 if self._stands else tries + 1
            if self._stands or self.cut is None:
                self.cut = Cut(time.time(), why)
                self._stands = False
            elif self.cut.why != why:
                self.cut = Cut(self.cut.since, why)
            if self.welcome is None or not self._first.is_set():
                self.welcome = None
                self._first.set()
                return  # what has never stood is not tried again behind anybody's back
            self._over.wait(PAUSES[min(tries, len(PAUSES) - 1)])

    def _connect_once(self) -> str:
        """One connection, to its end; why it ended, in a sentence."""
        try:
            argv = command(self.where, batch=self._first.is_set())
            with tempfile.TemporaryFile() as complaints:
                return self._connect(argv, complaints)
        except UserError as error:
            return str(error)
        except OSError as error:
            return f"ssh cannot be started: {error.strerror}."

    def _connect(self, argv: list[str], complaints: IO[bytes]) -> str:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints)
        why = ""
        try:
            self._talk(process)
        except Exception as error:  # whatever it is: this connection has ended, and the next may do better
            why = str(error) or type(error).__name__
        finally:
            process.kill() if why or self._over.is_set() else None
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        try:
            code = process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        complaints.seek(0)
        return why or self._said(code, complaints.read())

    def _said(self, code: int, complaints: bytes) -> str:
        if code == NOT_FOUND:
            return (
                f"{self.where.host} has no {self.where.program} on its PATH; give its path with --program, such as "
                "~/env/bin/autoloop-tui."
            )
        lines = [line.strip() for line in complaints.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else f"ssh exited with code {code}."

    def _talk(self, process: subprocess.Popen[bytes]) -> None:
        """Until the connection ends. An error where there is more to say of it than ssh does."""
        assert process.stdin is not None
        assert process.stdout is not None
        incoming, outgoing = process.stdout.fileno(), process.stdin.fileno()
        writer = Writer(lambda data: _write(outgoing, data))
        while not self._outbox.empty():
            self._outbox.get()  # for the connection before
        reader: Reader[FromLoop] | None = None
        noise = b""
        said = heard = time.monotonic()
        while not self._over.is_set():
            ready, _, _ = select.select([incoming, self._bell[0]], [], [], BEAT / 2)
            now = time.monotonic()
            if self._bell[0] in ready:
                os.read(self._bell[0], 4096)
            if incoming in ready:
                data = os.read(incoming, 1 << 18)
                if not data:
                    return
                heard = now
                if reader is None:
                    noise += data
                    _, mark, data = noise.partition(MARK)
                    if not mark:
                        if len(noise) > NOISE:
                            raise ConnectionCutError(f"{self.where.host} did not answer as Auto Loop")
                        continue
                    reader = Reader(FromLoop)
                    writer.send(Hello(version("autoloop-tui"), SCHEMA_VERSION, self._loop))
                    said = now
                for message in reader.take(data):
                    self._take(message)
            if reader is not None and now - heard > SILENCE:
                raise ConnectionCutError(f"{self.where.host} has been silent for {SILENCE:.0f} s")
            while self._stands and not self._outbox.empty():
                writer.send(self._outbox.get())
                said = now
            if reader is not None and now - said >= BEAT:
                writer.send(Beat())
                said = now

    def _take(self, message: Message) -> None:
        if isinstance(message, Refused):
            raise UserError(message.why)
        if isinstance(message, Welcome):
            self.welcome = message
        elif not self._mirror.take(message):
            self.inbox.put(message)
            if isinstance(message, Ready):  # handed over already when anybody sees that it stands
                self._stands, self.cut = True, None
                self._first.set()


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
