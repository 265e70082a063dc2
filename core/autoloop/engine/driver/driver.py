"""Drives a loop in the caller's process, for `run --no-ui`, `resume --no-ui` and the detached engine process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NamedTuple

from autoloop.engine.driver.engine import Engine
from autoloop.engine.driver.engine_log import logging_to
from autoloop.engine.driver.given_secrets import require_secrets
from autoloop.metrics import MetricBook
from autoloop.model import Event, Loop, LoopEnd, LoopEndKind, Run
from autoloop.store import Store


class Progress(NamedTuple):
    """The progress of an executing run."""

    run: Run
    step: int
    """0 before the first step."""
    rate: float | None
    """Steps per second; None until it is known."""


class LoopDriver:
    """Drives one loop in this process until the loop ends. Its methods may be called by signal handlers and callbacks."""

    def __init__(self, store: Store, loop: Loop) -> None:
        """Raises UserError if this process lacks a secret that the loop's trainer needs, or if the loop's files cannot be
        read."""
        require_secrets(loop.spec)
        self._loop = loop
        self._store = store
        self._engine = Engine(store, loop)

    @property
    def metrics(self) -> MetricBook:
        """The metric names of the loop."""
        return self._engine.context.metrics

    def run(
        self,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        foreground: bool = False,
    ) -> Loop:
        """Drive the loop until it ends or `leave` is called. Returns the loop's final state.

        Callbacks run in this thread and block the loop: `on_event` for each event as it is recorded, `on_progress` for each
        executing run a few times per second. Log records and exceptions raised by `on_event` go to the engine's log file.

        Installs the signal handlers of a long-lived process. SIGHUP (a closed terminal) is ignored. SIGTERM leaves the loop;
        its runs continue. In the foreground, Ctrl-C stops the loop and a second Ctrl-C kills its runs; otherwise Ctrl-C is
        ignored.

        Raises UserError if another engine is running the loop, or if its folder cannot be written.
        """
        interrupts = 0

        def interrupted(*_: object) -> None:
            nonlocal interrupts
            interrupts += 1
            self.stop(LoopEnd(kind=LoopEndKind.SIGNAL, text="stopped by Ctrl-C"), kill=interrupts > 1)

        def report_progress() -> None:
            for active in self._engine.executing():
                if on_progress:
                    on_progress(Progress(active.run, active.follower.step or 0, active.follower.rate))

        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.leave("SIGTERM"))
        signal.signal(signal.SIGINT, interrupted if foreground else signal.SIG_IGN)
        with logging_to(self._store.places.engine_log(self._loop.name), os.environ):
            return self._engine.run(on_event, report_progress if on_progress else None)

    def stop(self, reason: LoopEnd, *, kill: bool = False) -> None:
        """Stop the loop and its runs in the next turn."""
        self._engine.stop_soon(reason, kill=kill)

    def leave(self, reason: str) -> None:
        """Return from `run` soon. Runs continue, and the next engine takes them over."""
        self._engine.leave(reason)
