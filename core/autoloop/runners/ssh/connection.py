"""A persistent connection to a host: the user's own ssh, and a program at the other end that answers requests.

ssh uses ~/.ssh/config, the agent and known_hosts, as in the user's shell; an existing ControlMaster is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from typing import Any, NamedTuple

import msgspec

from autoloop.model import HostSpec
from autoloop.model.structs import decode
from autoloop.runners.ssh import bundle, words

SSH = (
    *("ssh", "-T", "-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10"),
    *("-o", "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none"),
    *("-o", "ControlMaster=no"),  # an existing one is used; the end of one of ours would end other sessions of the user
)
MARK = b"AUTOLOOP-FAR "
PATIENCE = 60.0
"""Seconds without a byte after which a connection is abandoned."""
NOISE = 64 << 10
"""Maximum bytes that a login shell may print before the program begins."""
MOST = 64 << 20
"""Maximum bytes of a line, and of the data after it; valid answers are shorter."""


class UnreachableError(Exception):
    """The host cannot be reached or used; the text says why. The host may have carried out the request."""


class RefusedError(Exception):
    """The host answered that it could not carry out the request: a full disk, a folder without permissions."""

    def __init__(self, text: str, errno: int | None) -> None:
        super().__init__(text)
        self.errno = errno


class Machine(NamedTuple):
    """Identifies a machine by its node name and the boot id of its last start."""

    node: str
    boot: str = ""

    def is_(self, other: Machine) -> bool:
        """Whether both are the same: a rebooted machine keeps its name, a recreated container the boot id of its machine."""
        return self.node == other.node or (bool(self.boot) and self.boot == other.boot)


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """A host's description of itself."""

    python: tuple[int, int, int]
    executable: str
    node: str
    system: str
    home: str
    boot: str
    pidfd: bool

    @property
    def machine(self) -> Machine:
        return Machine(self.node, self.boot)


class Connection:
    """Opened by `connect`. Once it is broken, every call raises UnreachableError. Only one thread makes calls."""

    def __init__(self, host: HostSpec) -> None:
        self.host = host
        self.sent = self.received = 0
        """Bytes in each direction."""
        self.skew = 0.0
        """Seconds by which our clock is ahead of the host's."""
        self._quickest = float("inf")
        self._buffer = bytearray()
        self._said = bytearray()
        try:
            self._process = subprocess.Popen(
                [*SSH, "--", host.destination, bundle.command(host.python)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise UnreachableError(f"ssh cannot be run here: {error.strerror}") from None
        assert self._process.stdin and self._process.stdout  # noqa: PT018
        assert self._process.stderr
        self._in, self._out, self._err = (
            each.fileno() for each in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        for fd in (self._in, self._out, self._err):
            os.set_blocking(fd, False)

    def open(self, patience: float = PATIENCE) -> Hello:
        """Send the program and return the host's description of itself."""
        self._send(bundle.program(), patience)
        noise = 0
        while not (line := self._line(patience, NOISE)).startswith(MARK):
            noise += len(line) + 1
            if line.startswith(bundle.OLD_PYTHON.encode()):
                raise self._broken(words.too_old(self.host, line.decode().split()[-1]))
            if noise > NOISE:
                raise self._broken(words.NOISY)
        return decode(line[len(MARK) :], Hello)

    def ask(self, verb: str, given: dict[str, Any], payload: bytes = b"", *, patience: float = PATIENCE) -> dict[str, Any]:
        """Send a request and return the answer, with its payload under `data`. RefusedError if the host could not do it."""
        question = json.dumps({**given, "do": verb, "bytes": len(payload)}).encode()
        before = time.time()
        self._send(question + b"\n" + payload, patience)
        try:
            answer: dict[str, Any] = json.loads(self._line(patience, MOST))
            self._compare_clocks(before, time.time(), float(answer["time"]))
            size = int(answer["bytes"])
            if not 0 <= size <= MOST:
                raise ValueError(size)
            answer["data"] = self._take(size, patience)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise self._broken("its answer is malformed") from None
        if "error" in answer:
            where = f" ({answer['file']})" if answer.get("file") else ""
            raise RefusedError(f"{answer['error']}{where}", answer.get("errno"))
        return answer

    def _compare_clocks(self, before: float, after: float, there: float) -> None:
        """Estimate the clock skew from the fastest answer, which is the most precise."""
        if 0 <= after - before < self._quickest:
            self._quickest, self.skew = after - before, (before + after) / 2 - there

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    # --------------------------------------------------------------------------------------------------------- the pipes

    def _send(self, data: bytes, patience: float) -> None:
        rest = memoryview(data)
        while rest:
            if not self._wait(self._in, patience):
                raise self._broken(f"it did not answer within {patience:.0f} s")
            try:
                done = os.write(self._in, rest[: 64 << 10])
            except BlockingIOError:
                continue
            except OSError:
                raise self._broken() from None
            rest = rest[done:]
            self.sent += done

    def _line(self, patience: float, most: int) -> bytes:
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            if (seen := len(self._buffer)) > most:
                raise self._broken(words.NOISY if most == NOISE else "its answer is too long")
            self._read(patience)
        return self._take(end + 1, patience)[:-1]

    def _take(self, size: int, patience: float) -> bytes:
        while len(self._buffer) < size:
            self._read(patience)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _read(self, patience: float) -> None:
        if not self._wait(self._out, patience):
            raise self._broken(f"it did not answer within {patience:.0f} s")
        try:
            data = os.read(self._out, 256 << 10)
        except BlockingIOError:
            return
        if not data:
            raise self._broken()
        self.received += len(data)
        self._buffer += data

    def _wait(self, fd: int, patience: float) -> bool:
        """Wait until `fd` is ready and keep what ssh prints to stderr. Returns False after `patience` seconds."""
        deadline = time.monotonic() + patience
        poll = select.poll()
        poll.register(fd, select.POLLOUT if fd == self._in else select.POLLIN)
        poll.register(self._err, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            ready = {each for each, _ in poll.poll(left * 1000)}
            if self._err in ready and not self._listen():
                poll.unregister(self._err)
            if fd in ready:
                return True
        return False

    def _listen(self) -> bool:
        try:
            data = os.read(self._err, 16 << 10)
        except OSError:
            return False
        self._said += data
        del self._said[: -(16 << 10)]
        return bool(data)

    def _broken(self, sentence: str | None = None) -> UnreachableError:
        """Close the connection and return the error to raise; ssh may have printed the reason."""
        code = None
        if sentence is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(2.0)
            while self._listen():
                pass
            sentence = words.why(self.host, self._said.decode(errors="replace"), code)
        self.close()
        return UnreachableError(sentence)


def connect(host: HostSpec, *, patience: float = PATIENCE) -> tuple[Connection, Hello]:
    """Return a connection that is ready for requests. Raises UnreachableError."""
    connection = Connection(host)
    try:
        hello = connection.open(patience)
    except UnreachableError:
        raise
    except Exception as error:
        connection.close()
        raise UnreachableError(f"its description of itself is malformed: {error}") from error
    if unfit := words.unfit(hello.system, pidfd=hello.pidfd):
        connection.close()
        raise UnreachableError(unfit)
    return connection, hello
