"""The connection to one host, re-established with increasing delays, and the time since it was lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from autoloop.model import HostSpec, LoopSpec
from autoloop.runners.ssh import words
from autoloop.runners.ssh.connection import Connection, Hello, Machine, RefusedError, UnreachableError, connect
from autoloop.runners.ssh.paths import Layout, default_folder

LOG = logging.getLogger(__name__)

SLOWEST = 60.0
"""Maximum seconds between two tries to reach a host."""


HURRY = 5.0
"""Seconds within which a connection that keeps breaking is retried without delay only once."""


class Line:
    """Owned by a runner's thread; other threads read `trouble`."""

    def __init__(self, host: HostSpec, spec: LoopSpec) -> None:
        self.host, self.spec = host, spec
        self.trouble: str | None = None
        self.machine = Machine("")
        """The machine at the other end of the connection."""
        self._open: tuple[Connection, Layout] | None = None
        self._again = 0.0
        self._pause = 0.0
        self._hurried = -HURRY
        """When it was last retried without delay."""
        self._unreached: float | None = None
        self._since = ""
        """The same time as text for users."""

    @property
    def pause(self) -> float:
        """Seconds until the host is tried again; 0 with a connection."""
        return 0.0 if self._open else max(0.0, self._again - time.monotonic())

    @property
    def silent(self) -> float:
        """Seconds for which the host has been unreachable."""
        return 0.0 if self._unreached is None else time.monotonic() - self._unreached

    def reach(self, machines: Collection[Machine]) -> tuple[Connection, Layout]:
        """Return the connection, opening it if necessary.

        Raises UnreachableError, also if it leads to another machine than `machines`, on which runs were started.
        """
        if self._open is None:
            connection, hello = connect(self.host)
            for each in machines:
                if not each.is_(hello.machine):
                    connection.close()
                    raise UnreachableError(words.another_machine(self.host, hello.node, each.node))
            self.machine = hello.machine
            self._open = connection, settle(connection, self.host, self.spec, hello)
            LOG.debug("%s: connected, %s", self.host.name, hello)
            self.trouble, self._unreached = None, None
            if time.monotonic() - self._hurried > HURRY:
                self._pause = 0.0
        return self._open

    def hang_up(self) -> None:
        if self._open is not None:
            self._open[0].close()
        self._open = None

    def lost(self, why: str) -> float:
        """Record that the host does not answer. Returns the seconds until the next try; the first is immediate."""
        LOG.debug("%s is lost: %s", self.host.name, why)
        now = time.monotonic()
        at_once = self._open is not None and now - self._hurried > HURRY
        self.hang_up()
        if self._unreached is None:
            self._unreached, self._since = now, time.strftime("%H:%M")
        if at_once:
            self._again = self._hurried = now
            return 0.0
        self.trouble = f"{self.host.name} has been unreachable since {self._since} ({why})"
        self._pause = min(max(1.0, 2 * self._pause), SLOWEST)
        self._again = now + self._pause
        return self._pause


def settle(connection: Connection, host: HostSpec, spec: LoopSpec, hello: Hello) -> Layout:
    """Create the folders on a host if necessary and return their layout. UnreachableError if the host cannot be used."""
    try:
        answer = connection.ask("settle", {"folder": default_folder(host, spec), "make": not host.shared})
    except RefusedError as error:
        connection.close()
        raise UnreachableError(f"it cannot be used: {error}") from None
    if answer.get("missing"):
        connection.close()
        raise UnreachableError(f"there is no folder {answer['folder']} there, although [[host]] declares it shared")
    return Layout(host, spec, str(answer["folder"]), hello.home, hello.executable)
