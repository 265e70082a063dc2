"""Creates messages for hooks, limited in length and masked, and queues each once for every hook that wants it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from autoloop.hooks.hook import Hook
from autoloop.hooks.request import line
from autoloop.model import Delivery, DeliveryState, HookEvent, Loop, Message, Run
from autoloop.store import Store

MOST_WAITING = 100
"""Maximum messages waiting for one hook; more are dropped."""


def message_id(loop: Loop, key: str) -> str:
    """Return an id that is the same for the same event, whichever engine detects it."""
    return hashlib.sha256(f"{loop.name}\n{loop.created_at}\n{key}".encode(errors="replace")).hexdigest()[:32]


def tell(
    store: Store,
    hooks: Mapping[str, Hook],
    loop: Loop,
    event: HookEvent,
    key: str,
    text: str,
    now: float,
    *,
    next: str = "",
    round: int | None = None,
    run: Run | None = None,
    known: Sequence[str] = (),
) -> bool:
    """Queue a message for the hooks that want such events, in the caller's transaction if there is one.

    `key` identifies this event within the loop. Returns whether any delivery is new.
    """
    wanting = [name for name, hook in hooks.items() if event.value in hook.events]
    if not wanting:
        return False
    message = Message(
        id=message_id(loop, f"{event.value} {key}"),
        event=event,
        at=now,
        text=line(text, known),
        next=line(next, known),
        round=round,
        run=run.id if run else None,
        run_name=line(run.name, known, 100) if run else None,
    )
    new = False
    with store.transaction():
        waiting = [each.hook for each in store.open_deliveries(loop.id)]
        for name in wanting:
            if not store.has_delivery(loop.id, name, message.id):
                full = waiting.count(name) >= MOST_WAITING
                state = DeliveryState.DROPPED if full else DeliveryState.PENDING
                number = store.next_id("deliveries")
                store.put_delivery(Delivery(id=number, loop=loop.id, hook=name, message=message, state=state))
                new = True
    return new
