"""One event of a loop."""

from enum import StrEnum

import msgspec


class EventKind(StrEnum):
    """The kind of event. Clients select by kind; the text is for users."""

    LOOP_STARTED = "loop started"
    LOOP_RESUMED = "loop resumed"
    LOOP_ENDED = "loop ended"
    LOOP_PAUSED = "loop paused"
    ROUND_STARTED = "round started"
    ROUND_ENDED = "round ended"
    VARIANT_WRITTEN = "variant written"
    RUN_STARTED = "run started"
    RUN_BEGUN = "run begun"
    """Its command started after waiting in its place's queue."""
    RUN_ADOPTED = "run adopted"
    RUN_STOPPING = "run stopping"
    RUN_ENDED = "run ended"
    RUN_RETRIED = "run retried"
    RUN_EXTENDED = "run extended"
    PROPOSED = "proposed"
    DECIDED = "decided"
    LIVE = "live rule"
    ASKED = "asked"
    WAITING = "waiting"
    ENGINE_LEFT = "engine left"
    """This engine ends; the runs continue and the next engine takes them over."""
    NOTE = "note"
    """An informational note."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a loop, with a text for users."""

    id: int
    loop: int
    at: float
    kind: EventKind
    text: str
    run: str | None = None
