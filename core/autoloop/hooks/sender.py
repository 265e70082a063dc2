"""`python -m autoloop.hooks.sender`: sends the messages that an engine has queued for hooks, and exits when none are left.

It is a separate process, so that no hook can block, crash or overload the engine, and so that the end of a loop is reported
after its engine has exited. It writes only deliveries and notes in the loop's event log, on which nothing else depends.
Each try is recorded before it is made: a message arrives at least once if the hook works, and is given up after its last
try.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from autoloop.hooks.calling import STARTING, Reply, call
from autoloop.hooks.health import Health, healths
from autoloop.hooks.request import document
from autoloop.hooks.service import Target
from autoloop.model import Delivery, EventKind, UserError
from autoloop.model.structs import decode
from autoloop.model.transitions import delivery_dropped, delivery_failed, delivery_made, delivery_tried
from autoloop.secrets import mask
from autoloop.store import Store, StoreUnavailableError
from autoloop.store.access import signature
from autoloop.text.plural import plural

AT_ONCE = 4
"""Maximum hooks that are called at the same time, each with one message."""
OLD = 6 * 3600.0
"""Seconds after which a message is too old to be sent."""
PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds to wait after the first failure of a message, tripled after each further failure; and the maximum."""
LOOK = 1.0
"""Maximum seconds between two reads of the store."""


class Result(NamedTuple):
    delivery: Delivery
    reply: Reply


class Sender:
    """Owns the store; the threads that call hooks only receive messages and return replies."""

    def __init__(
        self,
        store: Store,
        loop: int,
        targets: Mapping[str, Target],
        engine: int,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`engine`: pid of the engine that started this sender. Another engine that runs the loop has its own sender."""
        self.store = store
        self.loop = store.loop(loop)
        self.targets = targets
        self._engine = engine
        self._environment = environment
        self._clock = clock
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._unrecorded: list[Result] = []
        self._busy: set[str] = set()
        self._quiet_until: dict[str, float] = {}
        """When each hook may be called again: services require a pause between messages, whoever sends them."""

    def run(self) -> None:
        self._drop_unknown()
        while True:
            if self.store.gone():
                return
            with contextlib.suppress(StoreUnavailableError):
                self._record()
                left = [each for each in self.store.open_deliveries(self.loop.id) if each.hook in self.targets]
                if not self._busy and not self._unrecorded and (not left or self._replaced()):
                    return
                if not self._replaced():
                    self._begin(left)
            with contextlib.suppress(queue.Empty):
                self._unrecorded.append(self._results.get(timeout=LOOK if self._busy else self._pause()))

    def _replaced(self) -> bool:
        """Whether another engine has taken over. Engines sign the lock as at work; a stop command only holds it briefly."""
        try:
            signed = signature(self.store.places.lock(self.loop.name).read_bytes())
        except OSError:
            return False
        return signed is not None and signed.at_work and signed.pid != self._engine

    def _pause(self) -> float:
        now = self._clock()
        return min([LOOK, *(at - now for at in self._quiet_until.values() if at > now)])

    def _drop_unknown(self) -> None:
        """Drop messages for hooks that are no longer in the settings."""
        gone = [each for each in self.store.open_deliveries(self.loop.id) if each.hook not in self.targets]
        for hook in {each.hook for each in gone}:
            self._drop([each for each in gone if each.hook == hook], "autoloop.toml no longer defines this hook")

    def _drop(self, deliveries: list[Delivery], why: str) -> None:
        with self.store.transaction():
            for each in deliveries:
                self.store.put_delivery(delivery_dropped(each))
            count = plural(len(deliveries), "message")
            self._say(f"{count} for hook {deliveries[0].hook} {'was' if len(deliveries) == 1 else 'were'} dropped: {why}")

    # --------------------------------------------------------------------------------------------------------- sending

    def _begin(self, left: list[Delivery]) -> None:
        """Start sending the first message of each hook that is not being called."""
        for hook in dict.fromkeys(each.hook for each in left):
            own = [each for each in left if each.hook == hook]
            now = self._clock()
            if hook in self._busy:
                continue
            if old := [each for each in own if now - each.message.at > OLD and each.next_at <= now]:
                self._drop(old, f"older than {OLD / 3600:.0f} hours")
                own = [each for each in own if each not in old]
            if own and len(self._busy) < AT_ONCE and now >= self._quiet_until.get(hook, 0.0):
                self._try(own[0], now)

    def _try(self, delivery: Delivery, now: float) -> None:
        target = self.targets[delivery.hook]
        every = target.service.every if target.service else 0.0
        with self.store.transaction():  # another sender may still run: that of an earlier engine, or of this one at its end
            delivery = self.store.delivery(delivery.id)
            if not delivery.open or delivery.next_at > now:
                return
            last = self._health(delivery.hook).tried_at if every else None
            if last is not None and 0 <= now - last < every:
                self._quiet_until[delivery.hook] = last + every
                return
            if delivery.tries >= target.hook.tries:  # the sender that made the last try died
                self.store.put_delivery(
                    delivery_failed(delivery, delivery.error or "the outcome of its last try is unknown", None)
                )
                return
            until = now + target.hook.timeout + 2 * STARTING
            delivery = delivery_tried(delivery, now, until)
            self.store.put_delivery(delivery)
        self._busy.add(delivery.hook)
        threading.Thread(target=self._call, args=[delivery, target], daemon=True).start()

    def _call(self, delivery: Delivery, target: Target) -> None:
        project = self.store.places.project
        try:
            loop = self.loop
            told = document(delivery.message, loop.name, loop.spec.name, project.name, socket.gethostname())
            reply = call(target, told, self._environment, project)
        except Exception as error:  # a bug of ours: the message counts as not sent
            reply = Reply(False, f"internal error ({type(error).__name__})")
        self._results.put(Result(delivery, reply))

    # ------------------------------------------------------------------------------------------------------- recording

    def _record(self) -> None:
        """Record results. A result that cannot be recorded now is kept, and its hook is not called until then."""
        while True:
            try:
                self._unrecorded.append(self._results.get_nowait())
            except queue.Empty:
                break
        while self._unrecorded:
            result = self._unrecorded[0]
            self._record_one(result.delivery, result.reply)
            del self._unrecorded[0]
            self._busy.discard(result.delivery.hook)

    def _record_one(self, delivery: Delivery, reply: Reply) -> None:
        target, now, hook = self.targets[delivery.hook], self._clock(), delivery.hook
        every = target.service.every if target.service else 0.0
        last = reply.final or delivery.tries >= target.hook.tries
        pause = max(min(PAUSE * 3 ** (delivery.tries - 1), LONGEST_PAUSE), reply.wait or 0.0)
        with self.store.transaction():
            failing = self._health(hook).error is not None
            if reply.ok:
                self.store.put_delivery(delivery_made(delivery))
            else:
                self.store.put_delivery(delivery_failed(delivery, reply.text, None if last else now + pause))
            if reply.ok and failing:
                self._say(f"hook {hook} works again")
            elif not reply.ok and not failing:
                what = "this message is given up" if last else "it will be retried"
                self._say(f"hook {hook} fails: {reply.text}; {what}")
        self._quiet_until[hook] = now + (every if reply.ok or last else 0.0)

    def _health(self, hook: str) -> Health:
        """Read the hook's health from the store, because other senders may have called it too."""
        return healths([each for each in self.store.deliveries(self.loop.id) if each.hook == hook])[hook]

    def _say(self, text: str) -> None:
        self.store.add_event(self.loop.id, EventKind.NOTE, mask(text))


def main() -> int:
    """`python -m autoloop.hooks.sender --project DIR --engine PID LOOP`, with the targets as JSON on standard input."""
    parser = argparse.ArgumentParser(description="Send the messages of a loop of Auto Loop to its hooks.")
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--engine", type=int, required=True)
    parser.add_argument("loop", type=int)
    arguments = parser.parse_args()
    targets = decode(sys.stdin.buffer.read(), dict[str, Target])
    try:
        with Store.open(arguments.project) as store:
            Sender(store, arguments.loop, targets, arguments.engine, dict(os.environ)).run()
    except UserError as error:
        print(f"hooks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
