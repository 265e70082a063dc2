"""Waits while the store cannot be written: nothing is started or recorded, runs continue, and the reason is reported."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from autoloop.engine.base.context import Context
from autoloop.engine.runs.execution import Execution
from autoloop.model import EventKind, UserError
from autoloop.store import StoreUnavailableError

LOOK_EVERY = 0.2
"""Seconds between two checks whether this process should leave and whether the store still exists."""

LONGEST_WAIT = 30.0
"""Maximum seconds between two attempts to continue."""


class Outage:
    """Owned by the engine for its whole life."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.patience = 0.5
        """Seconds between two attempts to write; doubled at each outage."""
        self.past: str | None = None
        """The problem of an outage that is over and has not been reported yet."""

    def wait_until_writable(
        self, trouble: Exception, execution: Execution, leaving: Callable[[], str | None], stop_asked: Callable[[], bool]
    ) -> None:
        """Wait until the store can be written again.

        Raises UserError if this process should leave, or if the store has been deleted and the last run has ended.
        `stop_asked` returns whether a stop of these runs was requested.
        """
        words = " ".join(str(trouble).split())
        self.context.events.announce(f"no run starts and nothing is recorded until this is resolved: {words}")
        store = self.context.store
        self.patience = min(self.patience * 2, LONGEST_WAIT)
        again = time.monotonic() + self.patience
        while True:
            executing = execution.wait_unrecorded(LOOK_EVERY)
            if reason := leaving():
                raise UserError(f"The engine exits ({reason}); running runs continue without it. Before: {words}")
            if store.gone():
                if stop_asked():
                    execution.stop_unrecorded()
                if executing:
                    continue
                raise UserError(
                    f"{store.places.database} was deleted or moved while {self.context.loop.name} was running; its runs "
                    f"have ended and nothing more can be recorded. Their output is in {self.context.loop.output_dir}."
                )
            if time.monotonic() >= again:
                again = time.monotonic() + self.patience
                with contextlib.suppress(StoreUnavailableError):
                    store.probe()
                    self.past = words
                    return

    def tell_past(self) -> None:
        """Record the reason of the last outage, once the store can be written again."""
        if self.past:
            self.context.log_event(EventKind.NOTE, f"the loop continues; for a while nothing could be recorded: {self.past}")
            self.past = None
