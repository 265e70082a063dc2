"""The connection to the loop's machine: the user's own `ssh` in a thread, restarted whenever it ends."""

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
"""Seconds before each attempt to reconnect; the last value repeats."""

NOISE = 1 << 16
"""Maximum number of bytes that a shell's start files may print before the other end starts."""

NOT_FOUND = 127
"""Exit code of a shell that does not find the program."""

_HOST = re.compile(r"[^\s\x00-\x1f\x7f-]\S*")


class RemoteProject(NamedTuple):
    """A project on another machine. `project` is a folder there: absolute, relative to the home folder, or with `~`."""

    host: str
    project: str | None = None
    program: str = "autoloop-tui"


class Interruption(NamedTuple):
    """An interrupted connection: since when (by this machine's clock), and why."""

    since: float
    why: str


def command(where: RemoteProject, *, batch: bool) -> list[str]:
    """Return the ssh command that serves a console. `batch`: ssh must not prompt. Raises UserError for an invalid host."""
    if not _HOST.fullmatch(where.host):
        raise UserError(f'"{where.host}" is not a valid SSH host; give its name, as in `ssh NAME`.')
    folder = ["--project", where.project] if where.project else []
    home, _, below = where.program.partition("~/")
    program = f"~/{shlex.quote(below)}" if not home and below else shlex.quote(where.program)
    # A login shell, for the PATH of the user's start files, extended by the PATH of the shell that sshd starts.
    there = f'PATH="$PATH:$1"; exec {program} {shlex.join(["serve-console", *folder])}'
    options = [
        *("-T", "-o", "ConnectTimeout=15", *(("-o", "BatchMode=yes") if batch else ())),
        *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes"),
    ]
    return ["ssh", *options, "--", where.host, f'sh -lc {shlex.quote(there)} sh "$PATH"']


class Link(threading.Thread):
    """Fills the mirror and passes all other messages to `inbox`, including a `Ready` for each established connection."""

    def __init__(self, where: RemoteProject, loop: str | None, mirror: Mirror) -> None:
        super().__init__(name="link", daemon=True)
        self.where = where
        self._loop = loop
        self._mirror = mirror
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._bell: tuple[int, ...] = os.pipe()
        """Wakes the thread to send something or to exit."""
        self._over = threading.Event()
        self._stands = False
        self._first = threading.Event()
        """Set when the first connection is up or has failed."""
        self.welcome: Welcome | None = None
        self.cut: Interruption | None = Interruption(time.time(), "")
        """None while the connection is up."""

    # --------------------------------------------------------------------------------------------- by the console's thread

    def wait(self) -> Welcome:
        """Connect for the first time; ssh may prompt on the terminal. Raises UserError on failure."""
        self.start()
        self._first.wait()
        if self.welcome is None:
            raise UserError(self.cut.why if self.cut else f"There is no connection to {self.where.host}.")
        return self.welcome

    def send(self, message: Message) -> None:
        """Send a message. It is lost if the connection is interrupted."""
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

    # ----------------------------------------------------------------------------------------------------- the link's thread

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
                self.cut = Interruption(time.time(), why)
                self._stands = False
            elif self.cut.why != why:
                self.cut = Interruption(self.cut.since, why)
            if self.welcome is None or not self._first.is_set():
                self.welcome = None
                self._first.set()
                return  # do not silently retry a connection that was never established
            self._over.wait(PAUSES[min(tries, len(PAUSES) - 1)])

    def _connect_once(self) -> str:
        """Run one connection until it ends; return why it ended, as a sentence."""
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
        except Exception as error:  # any error ends this connection; the next one may work
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
        """Exchange messages until the connection ends. Raises an error if the cause is known better than from ssh's
        output."""
        assert process.stdin is not None
        assert process.stdout is not None
        incoming, outgoing = process.stdout.fileno(), process.stdin.fileno()
        writer = Writer(lambda data: _write(outgoing, data))
        while not self._outbox.empty():
            self._outbox.get()  # meant for the previous connection
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
            if isinstance(message, Ready):  # already in the inbox when the connection is seen as up
                self._stands, self.cut = True, None
                self._first.set()


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
