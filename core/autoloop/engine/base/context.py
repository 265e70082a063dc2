"""What every part of the engine works with: the store, the loop's spec, and the data it was started with."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from autoloop import secrets
from autoloop.configs import Config, FieldTypes
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.metrics import MetricBook
from autoloop.model import Event, EventKind, Loop, LoopSpec, Run, UserError
from autoloop.rules import Expression, RuleSource
from autoloop.store import Places, Store
from autoloop.trainers import Preset
from autoloop.wandb_cloud.key import known_secrets

CONFIGS = 100
"""Configs kept in memory."""
ROOTS = 1000
"""Runs whose first ancestor is known: those of the last rounds, of which the next one is made."""

LOG = logging.getLogger(__name__)

Listener = Callable[[Event], object]


@dataclass
class Context:
    """Owned by the engine. `log_event` is how anything that happened becomes an event of the loop."""

    store: Store
    loop_id: int
    spec: LoopSpec
    preset: Preset
    metrics: MetricBook
    fields: FieldTypes
    rules: RuleSource
    until: Expression | None = None
    listener: Listener | None = None
    clock: Callable[[], float] = time.time
    kept: set[str] = field(default_factory=set)
    """Queued runs that a slot is kept for, and perhaps some that were."""
    _configs: dict[str, Config] = field(default_factory=dict)
    _roots: dict[str, str] = field(default_factory=dict)

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

    def known(self, run: Run | None = None) -> list[str]:
        """The secrets that may stand in what is said of the loop, or of a run: its environment's and its config's."""
        found = [*known_secrets(os.environ), *secrets.of_config(self.preset.env)]
        with contextlib.suppress(UserError):
            found += secrets.of_config(frozen_config(run)) if run else []  # not kept: judging looks at the file again
        return found

    def log_event(self, kind: EventKind, text: str, run: str | None = None) -> None:
        event = self.store.add_event(self.loop_id, kind, secrets.mask(text), run)
        LOG.info("%s | %s", event.kind, event.text)
        if self.listener:
            self.listener(event)

    def root_name(self, run_id: str) -> str:
        """The name of a run's round-1 ancestor."""
        run = self.store.run(run_id)
        while run.base_run and run.id not in self._roots:
            run = self.store.run(run.base_run)
        name = self._roots.get(run.id, run.name)
        if len(self._roots) >= ROOTS:
            del self._roots[next(iter(self._roots))]
        self._roots[run_id] = name
        return name

    def config_of(self, run: Run) -> Config:
        """The frozen config of a run. Nothing of ours changes it, so it is read once while its round is at work."""
        if run.id not in self._configs:
            if len(self._configs) >= CONFIGS:
                self._configs.clear()
            self._configs[run.id] = frozen_config(run)
        return self._configs[run.id]
