"""Keeps a hook sender process running while messages wait. Starting it is all that an engine does to send them."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time

import msgspec

from autoloop import isolated
from autoloop.engine.base.context import Context
from autoloop.hooks.service import target
from autoloop.model import UserError

LOG = logging.getLogger(__name__)

PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds until a failed sender is restarted, doubled after each further failure; and the maximum."""


class HookSender:
    """Owned by the engine for its whole life. The sender process outlives it if messages still wait."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._targets = {name: target(hook, context.places.project) for name, hook in context.hooks.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._again, self._pause = 0.0, PAUSE
        self.context.messages_waiting = True  # an earlier engine may have left messages, even to hooks that no longer exist

    def look(self) -> None:
        """Start a sender if messages wait and none is running. Called at each turn."""
        if not self.context.messages_waiting or time.monotonic() < self._again:
            return
        if self._process is not None:
            code = self._process.poll()
            if code is None:  # it may exit before it sees the newest messages; they are checked for after that
                return
            self._process = None
            if code:
                LOG.warning("the hook sender exited with code %s; restarting it in %.0f s", code, self._pause)
                self._again, self._pause = time.monotonic() + self._pause, min(2 * self._pause, LONGEST_PAUSE)
                return
        self.context.messages_waiting = False
        if self.context.store.open_deliveries(self.context.loop_id):
            self._start()

    def close(self) -> None:
        """Let waiting messages be sent after this engine ends. A sender that is still running may exit before it sees the
        newest messages, so another one starts; they coordinate through the store."""
        with contextlib.suppress(UserError):
            if self.context.messages_waiting and self.context.store.open_deliveries(self.context.loop_id):
                self._start()

    def _start(self) -> None:
        places = self.context.places
        command = isolated.command("autoloop.hooks.sender", "--project", str(places.project), "--engine", str(os.getpid()))
        try:
            with places.engine_log(self.context.loop.name).open("ab") as log:
                self._process = subprocess.Popen(
                    [*command, str(self.context.loop_id)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    cwd=places.project,
                    start_new_session=True,
                )
        except OSError as error:
            LOG.warning("the hook sender could not be started: %s", error)
            self.context.messages_waiting, self._again = True, time.monotonic() + LONGEST_PAUSE
            return
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(msgspec.json.encode(self._targets))
            self._process.stdin.close()
        self.context.messages_waiting = True  # until the sender has exited and no message waits
