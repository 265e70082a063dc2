"""Messages to hooks: a message about an event, and its delivery to one hook."""

from enum import StrEnum

import msgspec


class HookEvent(StrEnum):
    """Events that hooks can subscribe to."""

    ROUND_WAITS = "round waits"
    """A round, the winner's long training or a live rule waits for a person."""
    RUN_FAILED = "run failed"
    """Or was lost, and will not be retried."""
    LOOP_ENDED = "loop ended"
    """Finished or stopped."""
    BUDGET = "budget nearly spent"
    WINNER = "winner"
    """Fresh seeds have confirmed that a config is better than the baseline."""
    TEST = "test"
    """Only `autoloop-tui hooks --test`."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """An event as sent to every hook: short, masked, without control characters."""

    id: str
    """Unique to this message, and the same for every delivery and retry."""
    event: HookEvent
    at: float
    text: str
    """One line."""
    next: str = ""
    """The next command for the user, in one line."""
    round: int | None = None
    run: str | None = None
    run_name: str | None = None


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"
    """After its last try, or refused for good."""
    DROPPED = "dropped"
    """Too old, dropped because too many were pending, or its hook was removed from the settings."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way to a hook."""

    id: int
    loop: int
    hook: str
    message: Message
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    """Incremented before each try, so a crashing sender does not retry forever."""
    next_at: float = 0.0
    """Earliest next try: after the pause that follows a failure, or the time limit of the current try."""
    tried_at: float | None = None
    error: str | None = None
    """The error of its last try; None if it succeeded or there was none."""

    @property
    def open(self) -> bool:
        return self.state is DeliveryState.PENDING
