"""One line of a loop's story."""

from enum import StrEnum

import msgspec


class EventKind(StrEnum):
    """What happened. Clients choose by kind; the text is for users."""

    LOOP_STARTED = "loop started"
    LOOP_RESUMED = "loop resumed"
    LOOP_ENDED = "loop ended"
    LOOP_PAUSED = "loop paused"
    ROUND_STARTED = "round started"
    ROUND_ENDED = "round ended"
    VARIANT_WRITTEN = "variant written"
    RUN_STARTED = "run started"
    RUN_BEGUN = "run begun"
    """After its place let it wait."""
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
    """A remark that nothing depends on."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a loop's story, as text for users."""

    id: int
    loop: int
    at: float
    kind: EventKind
    text: str
    run: str | None = None
