"""Requests that a command sends to a host without an engine: to end an attempt, or to copy files that stayed there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from autoloop.model import Attempt, HostSpec, LoopSpec
from autoloop.runners.ssh import words
from autoloop.runners.ssh.case import machine_of
from autoloop.runners.ssh.connection import Connection, Machine, RefusedError, UnreachableError, connect
from autoloop.runners.ssh.line import settle
from autoloop.runners.ssh.paths import Layout

PATIENCE = 20.0


@contextlib.contextmanager
def asking(host: HostSpec, spec: LoopSpec, machine: Machine | None) -> Iterator[tuple[Connection, Layout]]:
    """Open a short-lived connection. Raises UnreachableError, also if it leads to a machine other than `machine`."""
    connection, hello = connect(host, patience=PATIENCE)
    try:
        if machine and not machine.is_(hello.machine):
            raise UnreachableError(words.another_machine(host, hello.node, machine.node))
        yield connection, settle(connection, host, spec, hello)
    finally:
        connection.close()


def ask_to_end(spec: LoopSpec, attempt: Attempt, *, kill: bool) -> bool:
    """Ask an attempt to end. Returns False if the host does not answer or the attempt is not there."""
    host = next((each for each in spec.hosts if each.name == attempt.place), None)
    if host is None:
        return False
    try:
        with asking(host, spec, machine_of(attempt)) as (connection, layout):
            given = {"id": attempt.id, "dir": layout.attempt(attempt), "what": "kill" if kill else "stop"}
            return connection.ask("stop", given)["state"] in ("alive", "none")
    except (UnreachableError, RefusedError):
        return False
