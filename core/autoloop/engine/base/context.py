"""What every part of the engine works with: the loop's store and events, and the data that the loop was started with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from autoloop.engine.base.events import EventLog
from autoloop.engine.base.output_secrets import output_secrets
from autoloop.metrics import MetricBook
from autoloop.model import EventKind, Loop, LoopSpec, Run
from autoloop.rules import RuleSource
from autoloop.settings import Grant
from autoloop.store import Places, Store
from autoloop.trainers import Preset


@dataclass
class Context:
    """Owned by the engine. What only some of its parts need, these parts are given when they are made."""

    store: Store
    loop_id: int
    spec: LoopSpec
    preset: Preset
    metrics: MetricBook
    rules: RuleSource
    events: EventLog
    clock: Callable[[], float] = time.time
    agents: Mapping[str, Grant] = field(default_factory=dict)
    """What agents and scripts may ask for, as the settings said when the engine started: an agent that writes itself more
    into them gains nothing in a loop that goes on."""

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
        """Record an event of the loop. `run`: the id of the run that it is about."""
        self.events.record(kind, text, run)

    def secrets(self, run: Run) -> list[str]:
        """The secrets that may be in a run's output: those of this process's environment, the preset and its config."""
        return output_secrets(run, self.preset)  # read again each time: judging looks at the file again
