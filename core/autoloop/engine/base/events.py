"""The events of a loop: recorded in its store, logged, and passed to the process that runs the engine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from autoloop import secrets
from autoloop.model import Event, EventKind
from autoloop.store import Store

LOG = logging.getLogger(__name__)

Listener = Callable[[Event], object]


class EventLog:
    """Owned by the engine and used only by its thread. Masks secrets."""

    def __init__(self, store: Store, loop: int) -> None:
        self.listener: Listener | None = None
        self._store = store
        self._loop = loop

    def record(self, kind: EventKind, text: str, run: str | None = None) -> None:
        """Store an event, and report it after the caller's transaction (if any) commits, so that a listener finds it in the
        store. `run`: the id of the run concerned."""
        event = self._store.add_event(self._loop, kind, secrets.mask(text), run)
        self._store.once_written(partial(self._tell, event))

    def announce(self, text: str) -> None:
        """Log a text that cannot be stored now, and pass it to the listener."""
        text = secrets.mask(text)
        LOG.warning("%s", text)
        self._pass_on(Event(id=0, loop=self._loop, at=time.time(), kind=EventKind.NOTE, text=text))

    def _tell(self, event: Event) -> None:
        LOG.info("%s | %s", event.kind, event.text)
        self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if not self.listener:
            return
        try:
            self.listener(event)
        except Exception:  # the event is stored already, so a failed display must not stop the engine
            LOG.exception("the listener failed to take an event")
