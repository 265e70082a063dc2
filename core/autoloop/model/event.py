"""One line of a loop's story."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a loop's story, in words a person reads. `kind` is a closed set kept in engine/events.py."""

    id: int
    loop: int
    at: float
    kind: str
    text: str
    run: str | None = None
