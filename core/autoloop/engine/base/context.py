"""The context of all parts of the engine: the loop's store and events, and the data that the loop was started with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from autoloop.engine.base.events import EventLog
from autoloop.engine.base.output_secrets import output_secrets
from autoloop.engine.base.past_runs import PastRuns
from autoloop.hooks import Hook
from autoloop.hooks.messages import tell
from autoloop.metrics import MetricBook
from autoloop.model import EventKind, HookEvent, Loop, LoopSpec, LoopState, Run
from autoloop.rules import RuleSource
from autoloop.settings import Grant
from autoloop.store import Places, Store
from autoloop.trainers import Preset
from autoloop.wandb_cloud.key import known_secrets


@dataclass
class Context:
    """Owned by the engine. Contains what every part needs; parts that need more get it at construction."""

    store: Store
    loop_id: int
    spec: LoopSpec
    preset: Preset
    metrics: MetricBook
    rules: RuleSource
    events: EventLog
    clock: Callable[[], float] = time.time
    agents: Mapping[str, Grant] = field(default_factory=dict)
    """What agents and scripts may ask for, from the settings at the start of the engine: an agent that grants itself more by
    editing the settings gains nothing in a running loop."""

    hooks: Mapping[str, Hook] = field(default_factory=dict)
    messages_waiting: bool = False
    """Whether a message to hooks may be waiting. `HookSender` resets it."""
    past: PastRuns = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop everything cached from the store, so that it is read again."""
        self.past = PastRuns(self.store, self.loop_id)

    @property
    def places(self) -> Places:
        return self.store.places

    @property
    def loop(self) -> Loop:
        return self.store.loop(self.loop_id)

    def update_loop(self, **changes: object) -> Loop:
        loop = msgspec.structs.replace(self.loop, **changes)
        self.store.put_loop(loop)
        return loop

    def log_event(self, kind: EventKind, text: str, run: str | None = None) -> None:
        """Record an event of the loop. `run`: the id of the run concerned."""
        self.events.record(kind, text, run)

    def tell(
        self, event: HookEvent, key: str, text: str, *, next: str, round: int | None = None, run: Run | None = None
    ) -> None:
        """Queue a message to the hooks that want it, once: `key` identifies the event within the loop. Call it in the
        transaction that records the event, so that a killed engine neither loses nor repeats the message."""
        if self.hooks:
            known = known_secrets(os.environ)
            now = self.clock()
            given = (self.store, self.hooks, self.loop, event, key, text, now)
            self.messages_waiting |= tell(*given, next=next, round=round, run=run, known=known)

    def put_ended(self, loop: Loop, result: str = "") -> None:
        """Store the loop, which has just finished or stopped, and notify hooks. `result`: its result in one line."""
        before = self.loop.state
        with self.store.transaction():
            self.store.put_loop(loop)
            if before is LoopState.ACTIVE:
                next = "status" if loop.state is LoopState.FINISHED else "resume"
                text = f"{loop.name} {loop.state.value}: {loop.reason}{f'; {result}' if result else ''}"
                self.tell(HookEvent.LOOP_ENDED, f"{loop.ended_at}", text, next=f"autoloop-tui {next} --loop {loop.name}")

    def secrets(self, run: Run) -> list[str]:
        """The secrets that a run's output may contain: from this process's environment, the preset and the run's config."""
        return output_secrets(run, self.preset)  # not cached: judging also reads the file again
