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
    """Its process disappeared without an exit record."""

    @property
    def ended(self) -> bool:
        return self in (RunState.FINISHED, RunState.FAILED, RunState.STOPPED, RunState.LOST)


class Unjudged(msgspec.Struct, frozen=True, kw_only=True):
    """Why the loop's rules could not judge a finished run: a metric they need was not logged."""

    needed: list[str] = []
    """Metrics that the rules need and the run lacks; empty if it has no metrics at all."""
    found: list[str] = []
    """The metrics that it has."""
    sources: list[str] = []
    """Their sources: `wandb`, `csv`, `console` …"""

    @property
    def text(self) -> str:
        lacks = f"none of the metrics that the rules need was found ({', '.join(self.needed)})" if self.needed else ""
        if not self.found:
            return f"{lacks or 'there is nothing to judge'}: no metric was found at all"
        shown = ", ".join(self.found[:SHOWN]) + (f" and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else "")
        return f"{lacks}; {' and '.join(self.sources) or 'its history'} has {shown}"


class Halved(msgspec.Struct, frozen=True, kw_only=True):
    """A run's result in the `--halve` comparison of its round: its `value` of `metric` at the step (None if not finite, or
    for a replicate queued then), and the `place` of its config among `of`."""

    metric: str
    value: float | None
    place: int
    of: int


SHOWN = 8
"""Maximum number of metrics listed."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training of one config. `id` is also its W&B run id if the preset sets one."""

    id: str
    loop: int
    round: int
    position: int
    """Queue order in its loop, lowest first; moves change it, so it only determines what starts next."""
    name: str
    config_path: str
    """The frozen copy of the config that is launched."""
    source_path: str
    """The config file given by the user, or the written variant file."""
    config_hash: str
    group: str = ""
    """Equal for runs that differ only in the seed; empty if the config has none."""
    seed: str = ""
    """The seed in its config; empty if it has none, and in stores of older versions."""
    state: RunState = RunState.QUEUED
    reason: str | None = None
    """The reason for its state, as text."""
    requeued: RequeueKind | None = None
    """Why it is queued again; None if it is not, or has had no attempt."""
    base_run: str | None = None
    proposal: int | None = None
    changes: list[Change] = []
    confirms: str | None = None
    """For a run on a fresh seed: the run whose config it helps confirm, either of that config or of the baseline."""
    attempts: int = 0
    slot: int | None = None
    """The slot it executes in, or the slot reserved for a queued run."""
    waits: str | None = None
    """What an active run is waiting for at its place, as text; None once its command runs."""
    output_dir: str | None = None
    step: int = 0
    total_steps: int = 0
    total_assumed: bool = False
    """Neither the command nor the config sets `total_steps`, so it is --steps until the trainer reports a total."""
    resume: bool = False
    """The next attempt continues from the run's last checkpoint, in the same output directory."""
    halved: Halved | None = None
    """Set once `--halve` has compared or excluded it; it is not compared again."""
    summary: Summary | None = None
    unjudged: Unjudged | None = None
    """Why its loop's rules do not judge this finished run."""
    wandb_id: str | None = None
    """The URL of the W&B run that provided its metrics, once it has ended."""
    wandb_url: str | None = None
    wandb_sync: str | None = None
    """Its W&B folders with data that is missing on the server, one per line, for `wandb sync`."""
    sources: list[str] = []
    """The sources of its metrics, preferred first: `wandb`, `tensorboard`, `csv`, `console` …"""
    notes: list[str] = []
    """Caveats about its results: several W&B runs of which one is used, rows that are missing or unreadable."""
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None

    def seconds_left(self, step: int, rate: float | None, now: float) -> float | None:
        """Seconds until the last step at `rate` steps per second; None while unknown. The first steps load and compile, so
        the rate is used only after some steps and seconds.
        """
        if not rate or not self.total_steps or self.started_at is None:
            return None
        if step < max(2, min(FIRST_STEPS, self.total_steps // 10)) or now - self.started_at < FIRST_SECONDS:
            return None
        return max(0, self.total_steps - step) / rate


FIRST_STEPS = 10
FIRST_SECONDS = 5.0
"""Minimum steps before a run's rate is meaningful; for short runs a tenth of the steps is enough."""
