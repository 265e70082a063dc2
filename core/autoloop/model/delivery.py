"""What hooks are told: a message about something that has happened, and its way to one hook."""

from enum import StrEnum

import msgspec


class HookEvent(StrEnum):
    """What a hook can be called for."""

    ROUND_WAITS = "round waits"
    """A round, the winner's long training or a live rule waits for a person."""
    RUN_FAILED = "run failed"
    """Or was lost, and is not tried again."""
    LOOP_ENDED = "loop ended"
    """Finished or stopped."""
    BUDGET = "budget nearly spent"
    WINNER = "winner"
    """Fresh seeds have confirmed that a config is better than the baseline."""
    TEST = "test"
    """Only `autoloop-tui hooks --test`."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened, as every hook is told it: short, masked, without control characters."""

    id: str
    """The same whenever and to whomever it is sent, and of no other message."""
    event: HookEvent
    at: float
    text: str
    """One line."""
    next: str = ""
    """What a user can do now, in one line."""
    round: int | None = None
    run: str | None = None
    run_name: str | None = None


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"
    """After its last try, or refused for good."""
    DROPPED = "dropped"
    """Too old, too many, or of a hook that is gone."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way to a hook."""

    id: int
    loop: int
    hook: str
    message: Message
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    """Counted before each is made, so a sender that dies meanwhile does not try for ever."""
    next_at: float = 0.0
    """Not tried before that: its pause after a failure, or the time limit of the try under way."""
    tried_at: float | None = None
    error: str | None = None
    """How its last try failed; None if it succeeded or there was none."""

    @property
    def open(self) -> bool:
        return self.state is DeliveryState.PENDING
