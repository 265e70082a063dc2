"""Commands without Python's start-up time of half a second: a server has loaded the command line and forks for each
command.

Each command gets its own process, standard streams, working folder and environment, and modules in their initial state.
Tests of the start itself (signals, terminals, imports, Python's own variables) start the real program.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
LARGEST = 200_000
"""Maximum size of a request in bytes; it is one message of the socket."""


def at_start(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Python or its libraries read only when they start."""
    return {name: value for name, value in env.items() if name.startswith(("PYTHON", "LC_", "LANG", "LD_"))}


class Forks:
    """The server, which ends with this process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.started_with = at_start(env)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.cli.forks", str(theirs.fileno())],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def call(self, words: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: int) -> subprocess.CompletedProcess[str]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, ours:
            with theirs:
                request = json.dumps({"words": words, "cwd": str(cwd), "env": dict(env)}).encode()
                socket.send_fds(self._socket, [request], [stdin, out.fileno(), err.fileno(), theirs.fileno()])
            ours.settimeout(PATIENCE)
            pid = _number(ours)
            try:
                code = _number(ours)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(words), code, out.read().decode(), err.read().decode())


def _number(told: socket.socket) -> int:
    text = told.recv(20)
    assert text, "the server of commands has ended"
    return int(text)


_forks: list[Forks] = []


def forks(env: Mapping[str, str]) -> Forks:
    """Return this process's server; start it with `env` if there is none."""
    if not _forks:
        _forks.append(Forks(env))
        atexit.register(_forks[0].close)
    return _forks[0]


# ------------------------------------------------------------------------------------------------------------ the server


def serve(requests: socket.socket) -> list[str]:
    """Serve requests; ends with the client. Returns only in the process of a command, with the command's words."""
    while True:
        request, fds, _, _ = socket.recv_fds(requests, LARGEST, 4)
        if not request:
            sys.exit()
        if not (waiting := os.fork()):
            if pid := os.fork():
                _tell(fds, pid)
            requests.close()
            return _become(request, fds)
        for fd in fds:
            os.close(fd)
        _reap(waiting)


def _tell(fds: Sequence[int], pid: int) -> NoReturn:
    """Wait for the command in a process between it and the server, which meanwhile continues."""
    *streams, reply = fds
    for fd in streams:
        os.close(fd)
    with socket.socket(fileno=reply) as asked:
        asked.send(b"%d" % pid)
        _, status = os.waitpid(pid, 0)
        asked.send(b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


_children: list[int] = []


def _reap(newest: int) -> None:
    _children.append(newest)
    _children[:] = [pid for pid in _children if os.waitpid(pid, os.WNOHANG) == (0, 0)]


def _become(request: bytes, fds: Sequence[int]) -> list[str]:
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    asked = json.loads(request)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.path[0] = os.getcwd()
    random.seed()
    words: list[str] = asked["words"]
    return words


def main() -> None:
    from autoloop_tui.cli import catalogue
    from autoloop_tui.cli import main as command_line
    from autoloop_tui.cli.output import printing
    from tests.support.schemas import checked_answer, checked_parts

    for command in catalogue.COMMANDS.values():
        import_module(f"autoloop_tui.cli.commands.{command.module}")
    import_module("autoloop_tui.cli.parser")
    import_module("autoloop.engine.driver.driver")
    printing.answer, printing.answer_parts = checked_answer, checked_parts
    gc.freeze()  # so that garbage collections in the children do not copy its memory
    requests = socket.socket(fileno=int(sys.argv[1]))
    sys.argv = [str(command_line.__file__), *serve(requests)]
    command_line.main()


if __name__ == "__main__":
    main()
