"""`python -m autoloop.hooks.sender`: sends what an engine has put on its way to hooks, and ends when nothing is left.

A process of its own, so that no hook can hold, end or fill the engine, and so that the end of a loop is told although its
engine has ended. It writes deliveries and lines of the loop's story, on which nothing depends. Each try is recorded before
it is made: a message arrives at least once if the hook works, and after its last try it is left.
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
"""Hooks that are called at one time, each with one message."""
OLD = 6 * 3600.0
"""Seconds after which a message is no longer news."""
PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds after the first failure of a message, three times as many after each further one; and at most."""
LOOK = 1.0
"""Seconds at most between two looks at the store."""


class Result(NamedTuple):
    delivery: Delivery
    reply: Reply


class Sender:
    """Owns the store; the threads that call hooks only get messages and give replies."""

    def __init__(
        self,
        store: Store,
        loop: int,
        targets: Mapping[str, Target],
        engine: int,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`engine`: the process that handed over the targets. Another one that drives the loop has a sender of its own."""
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
        """Between two messages a service wants a pause, whoever sends them."""

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
        """By an engine, which signs as at work; a command that stops the loop only holds its lock for a moment."""
        try:
            signed = signature(self.store.places.lock(self.loop.name).read_bytes())
        except OSError:
            return False
        return signed is not None and signed.at_work and signed.pid != self._engine

    def _pause(self) -> float:
        now = self._clock()
        return min([LOOK, *(at - now for at in self._quiet_until.values() if at > now)])

    def _drop_unknown(self) -> None:
        """What is meant for hooks that are not in the settings any more."""
        gone = [each for each in self.store.open_deliveries(self.loop.id) if each.hook not in self.targets]
        for hook in {each.hook for each in gone}:
            self._drop([each for each in gone if each.hook == hook], "autoloop.toml has no such hook any more")

    def _drop(self, deliveries: list[Delivery], why: str) -> None:
        with self.store.transaction():
            for each in deliveries:
                self.store.put_delivery(delivery_dropped(each))
            count = plural(len(deliveries), "message")
            self._say(f"{count} for hook {deliveries[0].hook} {'was' if len(deliveries) == 1 else 'were'} dropped: {why}")

    # --------------------------------------------------------------------------------------------------------- sending

    def _begin(self, left: list[Delivery]) -> None:
        """For each hook that is not called now, its first message."""
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
        with self.store.transaction():  # another sender may still be here: of an engine before, or of this one at its end
            delivery = self.store.delivery(delivery.id)
            if not delivery.open or delivery.next_at > now:
                return
            last = self._health(delivery.hook).tried_at if every else None
            if last is not None and 0 <= now - last < every:
                self._quiet_until[delivery.hook] = last + every
                return
            if delivery.tries >= target.hook.tries:  # whoever made the last one died meanwhile
                self.store.put_delivery(
                    delivery_failed(delivery, delivery.error or "nothing is known of its last try", None)
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
        except Exception as error:  # a fault of ours: the message counts as not sent
            reply = Reply(False, f"internal error ({type(error).__name__})")
        self._results.put(Result(delivery, reply))

    # ------------------------------------------------------------------------------------------------------- recording

    def _record(self) -> None:
        """What cannot be recorded now is kept, and its hook is not called meanwhile."""
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
        """From the store: it is not this sender alone that tries."""
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
