"""The state of each hook of a loop, derived from its deliveries."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from autoloop.model import Delivery, DeliveryState
from autoloop.text.plural import plural


class Health(msgspec.Struct, frozen=True, kw_only=True):
    hook: str
    error: str | None = None
    """The error of the last completed try; None if it succeeded or there was none."""
    tried_at: float | None = None
    since: float | None = None
    """When the current series of failures began."""
    delivered: int = 0
    waiting: int = 0
    given_up: int = 0
    dropped: int = 0

    @property
    def words(self) -> str:
        """Description for users: `hook phone fails: HTTP 500; 2 messages wait, 1 message given up`."""
        parts = []
        if self.waiting:
            parts.append(f"{plural(self.waiting, 'message')} {'waits' if self.waiting == 1 else 'wait'}")
        if self.given_up:
            parts.append(f"{plural(self.given_up, 'message')} given up")
        if self.dropped:
            parts.append(f"{plural(self.dropped, 'message')} dropped")
        more = f"; {', '.join(parts)}" if parts else ""
        return f"hook {self.hook} fails: {self.error}{more}"


def healths(deliveries: Sequence[Delivery]) -> dict[str, Health]:
    """Return the health of each hook by name, from a loop's deliveries in any order."""
    found: dict[str, Health] = {}
    for hook in sorted({each.hook for each in deliveries}):
        own = [each for each in deliveries if each.hook == hook]
        tried = sorted((each for each in own if each.tried_at is not None), key=lambda each: each.tried_at or 0.0)
        counts = {state: sum(each.state is state for each in own) for state in DeliveryState}
        known = [each for each in tried if each.error is not None or each.state is DeliveryState.DELIVERED]
        since = None
        for each in reversed(known):
            if each.error is None:
                break
            since = each.tried_at
        found[hook] = Health(
            hook=hook,
            error=known[-1].error if known else None,
            tried_at=tried[-1].tried_at if tried else None,
            since=since,
            delivered=counts[DeliveryState.DELIVERED],
            waiting=counts[DeliveryState.PENDING],
            given_up=counts[DeliveryState.GIVEN_UP],
            dropped=counts[DeliveryState.DROPPED],
        )
    return found


def failing(deliveries: Sequence[Delivery]) -> list[Health]:
    return [each for each in healths(deliveries).values() if each.error is not None]
