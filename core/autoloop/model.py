"""The nouns of a loop and their states: frozen values, no I/O.

Everything here can be written to JSON by msgspec and read back equal. Times are Unix seconds (float), durations seconds,
steps are optimiser steps of the trainer.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

Config = dict[str, Any]
"""A training config: nested dicts and lists of JSON values."""


class UserError(Exception):
    """Something a person can put right. Its text is one sentence: what is wrong, where, and what to do."""


# ---------------------------------------------------------------------------------------------------- metrics


@dataclass
class Series:
    """One metric of one run: `steps` (int64) and `values` (float64), same length, steps rising."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return iter(zip(self.steps, self.values, strict=True))

    def append(self, step: int, value: float) -> None:
        self.steps.append(step)
        self.values.append(value)


class MetricSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one run, summarised over its finite values.

    `best` follows the metric's direction; `delta` = last - first; `pct` = delta / first * 100, 0 where first is 0;
    `tail_mean` and `tail_mad` (median absolute deviation) are over the last fifth of the points, at least 3.
    `nan` and `inf` count the values that were left out.
    """

    first: float
    last: float
    best: float
    best_step: int
    delta: float
    pct: float
    n: int
    min: float
    max: float
    tail_mean: float
    tail_mad: float
    first_step: int
    last_step: int
    nan: int = 0
    inf: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What one run reached: its metrics by canonical name, and the last step seen."""

    metrics: dict[str, MetricSummary] = {}
    steps: int = 0
    not_finite: list[str] = []
    """Metrics (canonical names) whose newest value is NaN or infinite."""
    infinite: list[str] = []
    """Of these, whose newest value is infinity above zero."""
    in_a_row: dict[str, int] = {}
    """Of these, how many of the newest values in a row are NaN or infinite."""


# ---------------------------------------------------------------------------------------------------- edits


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One resolved edit of one place in a config: `before` -> `after`. `created`: the key was not there before; `removed`:
    the key or list element is deleted, and `after` is None. Indices in `path` are those of the config before all edits."""

    path: str
    before: Any
    after: Any
    created: bool = False
    removed: bool = False
    note: str | None = None


# ---------------------------------------------------------------------------------------------------- rules


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison that a rule made: `name` (as written), its `value`, `op`, the `threshold` and what came out."""

    name: str
    value: Any
    op: str
    threshold: Any
    holds: bool
    metric: str | None = None
    first_step: int | None = None
    last_step: int | None = None
    n: int | None = None
    noise: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule fired: the condition as written and every comparison it made."""

    rule: str
    rule_version: str
    when: str
    observations: list[Observation] = []


class ProposalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    """A guard refused it; `blocked` says why. It can be edited into a valid one."""
    SKIPPED = "skipped"
    """Valid, but over --variants-per-run; a person may still approve it."""
    LAUNCHED = "launched"
    """It became a run: of the next round, or for a live rule's, of the same one."""
    DONE = "done"
    """A live rule's that asked for a stop and nothing more: the run has been stopped."""
    LAPSED = "lapsed"
    """Nobody decided in time: the next round started without it, or a live rule's run ended before."""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a proposal a live rule's: it is about a run in training, and is carried out at once when approved.

    The run is stopped; with edits, it is relaunched with them in the same slot and round.
    """

    attempt: str
    step: int
    """How far the run was, as far as was known, when the rule fired."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's or a person's edits for one base run, resolved against that run's config."""

    id: int
    loop: int
    round: int
    """The round it was made from; if approved it runs in the next."""
    base_run: str
    author: str
    """`rule:<id>`, `default`, or the name of the person."""
    reason: str
    edits: list[str]
    changes: list[Change] = []
    status: ProposalStatus = ProposalStatus.PENDING
    priority: int = 0
    evidence: Evidence | None = None
    blocked: str | None = None
    notes: list[str] = []
    note: str | None = None
    """What the person said when deciding."""
    decided_by: str | None = None
    decided_at: float | None = None
    decision: int | None = None
    """Number of the command that decided it: proposals decided by one command are undone together."""
    base_hash: str = ""
    """Hash of the base config that the changes were resolved against."""
    config_hash: str = ""
    """Hash of the resulting config: an approval is bound to it."""
    revision: int = 1
    run: str | None = None
    live: Live | None = None
    created_at: float = 0.0


# ---------------------------------------------------------------------------------------------------- loops


class LoopState(StrEnum):
    ACTIVE = "active"
    FINISHED = "finished"
    STOPPED = "stopped"
    """Ended before its time, by a person or a halt; `autoloop-tui resume` takes it up again."""


class RoundState(StrEnum):
    RUNNING = "running"
    DECIDING = "deciding"
    """All its runs ended; the proposals made from it wait for a decision."""
    DONE = "done"


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


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A place a run can execute. `gpus` are CUDA indices; empty for a CPU place."""

    index: int
    gpus: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        return "gpu " + ",".join(map(str, self.gpus)) if self.gpus else f"cpu {self.index}"


class WandbSpec(msgspec.Struct, frozen=True, kw_only=True):
    online: bool = False
    entity: str | None = None
    project: str | None = None
    later: bool = False
    """Online was asked for and the server did not answer: recorded offline, and the report says how to upload it."""


class LoopSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked for with `autoloop-tui run`. Paths are absolute (stored, they are relative to the project). Never
    holds a secret."""

    configs: list[str]
    steps: int = 2000
    log_freq: int = 50
    eval_freq: int = 200
    device: str = "cuda"
    gpus: list[int] = []
    gpus_per_run: int = 1
    allow_busy: bool = False
    """Start on a GPU although somebody else computes there."""
    concurrency: int = 1
    extra: list[str] = []
    wandb: WandbSpec = WandbSpec()
    formal: bool = False
    """Refuses what would make its results worth less: the CPU, and W&B offline."""
    rounds: int = 1
    variants_per_run: int = 2
    decide: bool = False
    approve: str = "auto"
    """`auto`, `manual`, or `after:SECONDS`."""
    grace: float = 10.0
    """Seconds from a person's last decision to the start of the next round by itself: it can be undone until then."""
    until: str | None = None
    rules: str | None = None
    live: bool = False
    """Whether the rule book's live rules watch the runs while they train."""
    preset: str = "lerobot"
    python: str = ""
    train_script: str | None = None
    cwd: str = ""
    retries: int = 0
    name: str | None = None
    output_root: str = ""
    summary_out: str = ""
    markdown_out: str = ""
    inherit_dataset_from: str | None = None
    max_hours: float | None = None
    """Hours after which nothing starts any more and, once the running runs have ended, the loop stops."""
    max_runs: int | None = None
    """How many runs it may start in all."""
    quiet_hours: str | None = None
    """Hours of the day (`22:00-07:00`, local time) in which no new run starts; running ones go on."""

    @property
    def slots(self) -> list[Slot]:
        if self.device == "cpu" or not self.gpus:
            return [Slot(index=i) for i in range(self.concurrency)]
        firsts = range(0, len(self.gpus), self.gpus_per_run)
        groups = [tuple(self.gpus[first : first + self.gpus_per_run]) for first in firsts]
        return [Slot(index=i, gpus=group) for i, group in enumerate(groups[: self.concurrency])]


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    """`loop_<unix time>`, also the folder name under the output root."""
    state: LoopState
    spec: LoopSpec
    output_dir: str
    created_at: float
    ended_at: float | None = None
    reason: str | None = None
    """Why it ended, or what it waits for."""
    paused: bool = False
    waits_for: str | None = None
    """Why no run is started now although some are queued: what is lacking, in words."""
    held: bool = False
    """The automatic start of the next round is held by a person."""
    deadline: float | None = None
    """When its --max-hours are over; a resume may move it."""
    max_runs: int | None = None
    """Its --max-runs as they stand now."""
    resumed_at: float | None = None
    """When it was last taken up again after it had stopped: failures before that no longer count."""
    slot_waits: dict[int, str] = {}
    """What a free slot waits for before a queued run may start there, by the slot's index."""
    winner: str | None = None


class Round(msgspec.Struct, frozen=True, kw_only=True):
    loop: int
    number: int
    state: RoundState
    started_at: float
    ended_at: float | None = None
    decide_by: float | None = None
    """When pending proposals are approved without a person (`--approve after:…`)."""
    start_at: float | None = None
    """When the next round starts by itself, once all is decided: `grace` after the last decision of a person."""
    start_asked: bool = False
    """A person wants the next round now; kept, so that an engine that dies after it has said yes keeps its word."""


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How the process of an attempt ended, as its supervisor wrote it to exit.json."""

    code: int | None = None
    """Exit code of the command; None if a signal ended it."""
    signal: int | None = None
    stopped_by: str | None = None
    """The request that made the supervisor stop the tree (`stop`, `kill`); None if it ended by itself."""
    error: str | None = None
    """Why the command could not be started."""
    errno: int | None = None
    """The number of that error, where the system gave one."""
    started_at: float | None = None
    ended_at: float | None = None


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt did not succeed.

    `line` is the log line that decided it, at most 300 characters. `retry`: the same command may well succeed, but not
    more than `once` if that is set; `fatal_for_round`: the other runs would fail in the same way. No text holds control
    characters.
    """

    id: str
    text: str
    line: str | None = None
    advice: str = ""
    retry: bool = False
    once: bool = False
    fatal_for_round: bool = False

    @property
    def details(self) -> list[str]:
        """What stands below its text: the line that decided it, and what to do, in a line each."""
        said = [f"its log: {self.line}"] if self.line and self.line not in self.text else []
        if self.id == "stopped":
            return said
        again = "the same command may succeed" if self.retry else "the same command would fail again"
        return [*said, f"{self.advice} ({again})" if self.advice else again]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One process launched for a run. `handle` (pid, start time, boot id, host) appears once it has started."""

    id: str
    run: str
    number: int
    slot: int
    output_dir: str
    directory: str
    """Where its spec.json, start.json, exit.json and log.txt are."""
    created_at: float
    argv: list[str] = []
    handle: dict[str, Any] | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit: ExitRecord | None = None
    stop_reason: str | None = None
    """Who asked to stop it and why; recorded before the signal is sent."""
    result: str | None = None
    """How it counts: one of the ended run states; set with `ended_at`."""
    kill: bool = False
    """It is to be killed rather than stopped; recorded with `stop_reason`."""
    unstarted: bool = False
    """Its command certainly never ran; known once it has ended."""
    summary: Summary | None = None
    """What it reached, once a later attempt has taken its place in the run."""
    cause: str | None = None
    """The failure in words."""
    diagnosis: Cause | None = None
    """The failure with the line that decided it and what to do; its text is `cause`."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training of one config. `id` is also its W&B run id where the preset sets that."""

    id: str
    loop: int
    round: int
    position: int
    """Order in the queue of its loop; lowest first."""
    name: str
    config_path: str
    """The frozen copy of the config that is launched."""
    source_path: str
    """The file the person gave, or the variant file that was written."""
    config_hash: str
    state: RunState = RunState.QUEUED
    reason: str | None = None
    base_run: str | None = None
    proposal: int | None = None
    changes: list[Change] = []
    attempts: int = 0
    slot: int | None = None
    """Where it executes; of a queued run, the slot that is kept for it."""
    output_dir: str | None = None
    step: int = 0
    total_steps: int = 0
    resume: bool = False
    """The next attempt goes on from the run's last checkpoint, in the same output directory."""
    summary: Summary | None = None
    wandb_id: str | None = None
    """Of the W&B run that its metrics come from, once it has ended."""
    wandb_url: str | None = None
    wandb_sync: str | None = None
    """Its W&B folders on disk, one per line, of which the server lacks something that `wandb sync` uploads."""
    notes: list[str] = []
    """What to know about its results: several W&B runs of which one counts, rows that are missing or could not be read."""
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a loop's story, in words a person reads. `kind` is a closed set kept in engine/events.py."""

    id: int
    loop: int
    at: float
    kind: str
    text: str
    run: str | None = None
