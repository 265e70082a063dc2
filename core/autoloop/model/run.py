"""One training of one config, and its state."""

from enum import StrEnum

import msgspec

from autoloop.model.edits import Change
from autoloop.model.ends import RequeueKind
from autoloop.model.metrics import Summary


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"
    """Its process vanished without an exit record."""

    @property
    def ended(self) -> bool:
        return self in (RunState.FINISHED, RunState.FAILED, RunState.STOPPED, RunState.LOST)


class Unjudged(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has finished and that the loop's rules could not judge, because no metric that they need was logged."""

    needed: list[str] = []
    """The metrics that the rules look at and that the run has not; empty if it has no metric at all."""
    found: list[str] = []
    """The metrics that it has."""
    sources: list[str] = []
    """Where they come from: `wandb`, `csv`, `console` …"""

    @property
    def text(self) -> str:
        lacks = f"none of the metrics that the rules need was found ({', '.join(self.needed)})" if self.needed else ""
        if not self.found:
            return f"{lacks or 'there is nothing to judge'}: no metric was found at all"
        shown = ", ".join(self.found[:SHOWN]) + (f" and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else "")
        return f"{lacks}; {' and '.join(self.sources) or 'its history'} has {shown}"


class Halved(msgspec.Struct, frozen=True, kw_only=True):
    """How a run stood when `--halve` compared the configs of its round: its `value` of `metric` at the step, None if it had
    no finite one (nor has a replicate that was queued then), and the `place` of its config among `of`."""

    metric: str
    value: float | None
    place: int
    of: int


SHOWN = 8
"""Metrics that are named at most."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training of one config. `id` is also its W&B run id where the preset sets that."""

    id: str
    loop: int
    round: int
    position: int
    """Order in the queue of its loop; lowest first. A move changes it, so it says only what starts next."""
    name: str
    config_path: str
    """The frozen copy of the config that is launched."""
    source_path: str
    """The file the person gave, or the variant file that was written."""
    config_hash: str
    group: str = ""
    """Equal for the runs whose trainings differ in nothing but the seed; empty where the config has none."""
    seed: str = ""
    """The value of its config's seed; empty where that has none, and in stores of older versions."""
    state: RunState = RunState.QUEUED
    reason: str | None = None
    """Why it stands as it does, in words."""
    requeued: RequeueKind | None = None
    """Why it is in the queue again; None for a run that is not, or has had no attempt."""
    base_run: str | None = None
    proposal: int | None = None
    changes: list[Change] = []
    confirms: str | None = None
    """The run whose config was to be confirmed when this one was made, on a fresh seed: of that config, or of the baseline
    beside it."""
    attempts: int = 0
    slot: int | None = None
    """Where it executes; of a queued run, the slot that is kept for it."""
    waits: str | None = None
    """Of one that executes: what its place lets it wait for, in words; None once its command runs."""
    output_dir: str | None = None
    step: int = 0
    total_steps: int = 0
    total_assumed: bool = False
    """Neither the command nor the config says `total_steps`: it is --steps until the trainer tells better."""
    resume: bool = False
    """The next attempt goes on from the run's last checkpoint, in the same output directory."""
    halved: Halved | None = None
    """Set once `--halve` has compared it, or let it take no part; it is not compared again."""
    summary: Summary | None = None
    unjudged: Unjudged | None = None
    """Of a finished run, why its loop's rules do not judge it."""
    wandb_id: str | None = None
    """Of the W&B run that its metrics come from, once it has ended."""
    wandb_url: str | None = None
    wandb_sync: str | None = None
    """Its W&B folders on disk, one per line, of which the server lacks something that `wandb sync` uploads."""
    sources: list[str] = []
    """Where its metrics come from, the preferred one first: `wandb`, `tensorboard`, `csv`, `console` …"""
    notes: list[str] = []
    """What to know about its results: several W&B runs of which one counts, rows that are missing or could not be read."""
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None

    def seconds_left(self, step: int, rate: float | None, now: float) -> float | None:
        """Seconds until the last step at `rate` steps per second; None while that cannot be told.

        The first steps load and compile, so a rate counts only after some steps and some seconds.
        """
        if not rate or not self.total_steps or self.started_at is None:
            return None
        if step < max(2, min(FIRST_STEPS, self.total_steps // 10)) or now - self.started_at < FIRST_SECONDS:
            return None
        return max(0, self.total_steps - step) / rate


FIRST_STEPS = 10
FIRST_SECONDS = 5.0
"""Before these, a run's rate tells nothing about the rest of it; of a run of few steps a tenth of them is enough."""
