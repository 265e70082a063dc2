"""Whether the W&B server is reachable while a loop records online. A thread checks it, and the engine reports changes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec

from autoloop.engine.base.context import Context
from autoloop.metric_readers import wandb_runs
from autoloop.model import EventKind, LoopSpec, Run
from autoloop.wandb_cloud import service

EVERY = 5.0
"""Seconds between two checks: with their timeout, an outage is reported within 10 seconds."""


class WandbStatus:
    """Owned by the engine of a loop; does nothing for a loop that records offline."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.away: service.Answer | None = None
        """The result of the last check if the server was unreachable, otherwise None."""
        self._wanted = context.spec.wandb.online
        self._answer: service.Answer | None = None
        self._last_away: float | None = None
        self._closing = threading.Event()

    def begin(self) -> None:
        """Check once (at most 3 s), then regularly in a thread."""
        if self._wanted:
            self._answer = service.ask(os.environ)
            threading.Thread(target=self._ask_on, name="W&B server", daemon=True).start()
            self.look()

    def close(self) -> None:
        self._closing.set()

    def _ask_on(self) -> None:
        while not self._closing.wait(EVERY):
            self._answer = service.ask(os.environ)

    def look(self) -> None:
        """Report that the server has become unreachable or is back."""
        answer = self._answer
        if answer is None:
            return
        if answer.state == "away":
            self._last_away = self.context.clock()
            if self.away is None:
                text = f"W&B ({answer.server}) cannot be reached: {answer.detail}; {self._meanwhile()}"
                self.context.log_event(EventKind.NOTE, text)
            self.away = answer
        elif self.away is not None:
            self.away = None
            self.context.log_event(EventKind.NOTE, f"W&B ({answer.server}) is back")

    def _meanwhile(self) -> str:
        meanwhile = "running runs continue and are recorded on disk"
        if self.context.spec.formal:
            return f"{meanwhile}; new ones wait, as formal runs are online"
        return f"{meanwhile}; new ones record offline until it is back, and the report says how to upload them"

    @property
    def must_wait(self) -> bool:
        """Whether no run may start now."""
        return self.away is not None and self.context.spec.formal

    def spec(self) -> LoopSpec:
        """The loop's spec for a run that starts now: offline while the server is unreachable."""
        spec = self.context.spec
        if self.away is None:
            return spec
        return msgspec.structs.replace(spec, wandb=msgspec.structs.replace(spec.wandb, online=False, later=True))

    def left_behind(self, run: Run) -> str | None:
        """The W&B folders of an ended run that the server may have received incompletely, one per line; None if there are
        none. wandb stops trying to upload after a while."""
        wanted = self._wanted or self.context.spec.wandb.later
        if not wanted or run.output_dir is None:
            return None
        folders = [each.segments[-1].parent for each in wandb_runs(Path(run.output_dir)) if each.segments]
        doubtful = self._last_away is not None and self._last_away >= (run.started_at or 0.0)
        behind = [folder for folder in folders if doubtful or folder.name.startswith("offline-")]
        return "\n".join(map(str, behind)) or None
