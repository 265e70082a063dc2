"""`autoloop.toml`: the settings of a project. Command-line flags override them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from autoloop import profiles
from autoloop.configs import FieldTypes, default_fields
from autoloop.files import read_text
from autoloop.hooks import Hook, HookName, check_hooks
from autoloop.metrics import MetricBook, MetricBooks, metric_book, parse_metric_book
from autoloop.model import HostSpec, LoopSpec, SlurmSpec, UserError
from autoloop.profiles import METHODS, planned_methods
from autoloop.toml import SETTINGS_FILE, parse_toml, read_table

FILE = SETTINGS_FILE


class WandbSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[wandb]`: where online runs go."""

    online: bool = False
    """Record every run online, as --wandb-online does."""
    entity: str | None = None
    project: str | None = None


class FieldSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[fields]`: types that the configs' values do not show."""

    integers: list[str] = []
    """Further fields that must stay integers, as shell patterns for the last part of a path."""


class PolicySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[policy]`: requirements for every run of this project."""

    formal: bool = False
    """Refuse the CPU, and W&B offline or without an entity and a project, as --formal does."""


class KeepSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[keep]`: which checkpoints stay when `disk --free` makes space."""

    checkpoints: str = ""
    """What to keep, as `best 3 by eval_l1, last of all`; if empty, nothing is deleted."""
    over: Literal["loop", "project"] = "loop"
    """Whether the best are chosen among the runs of each loop, or of all loops together."""
    when: Literal["by hand", "each round"] = "by hand"
    """Whether only `disk --free --exec` moves checkpoints to the trash, or also the engine after each round."""
    trash_days: Annotated[float, msgspec.Meta(ge=0)] = 7.0
    """Days for which checkpoints in the trash can be restored."""


GrantedVerb = Literal[
    "approve", "reject", "undo", "edit", "start", "resume", "stop", "kill", "retry", "extend", "move", "free"
]
"""Requests that are reserved for users unless `[agents]` grants them. `hold --off` counts as `start`; `free` is
`disk --free --exec` and `--empty`."""


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The range within which a value may be set; a missing bound does not limit that side."""

    low: float | None = None
    high: float | None = None


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[agents.NAME]`: the requests that this coding agent may send, per loop; `[agents.script]`: those of commands without
    a terminal and without a known agent."""

    allow: list[GrantedVerb] = []
    runs: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The most runs that its approvals, retries, extensions and a first round that it starts may cause in a loop."""
    gpu_hours: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """The most GPU hours that these runs may take; queued and running ones count as the mean of the loop's ended runs."""
    slots: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The most of these runs that may be queued or running at once."""
    hours: Annotated[str, msgspec.Meta(pattern=r"^([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d$")] | None = None
    """The hours of the day in which the grant applies, as 09:00-19:00 in local time."""
    edits: dict[str, Range] | None = None
    """The config paths (shell patterns) that its proposals and approvals may change, each with the allowed range."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every key of autoloop.toml, with its default. Paths are relative to the project."""

    preset: str = msgspec.field(default_factory=profiles.default_preset)
    """How a run is launched: a shipped preset's name, or the path of a preset file; default: the profile's."""
    python: str | None = None
    """The interpreter of the training environment; default: the one Auto Loop runs on."""
    train_script: str | None = None
    """The trainer's script; default: the preset's."""
    gpus: list[int] = msgspec.field(default_factory=lambda: [0, 1, 2, 3])
    """The GPUs of a formal run, when --gpus is not given."""
    output_root: str = "outputs/train"
    summary_out: str | None = None
    """autorun_summary.json; default: in reports/data, below the profile's report folder if that exists."""
    markdown_out: str | None = None
    """The Markdown report; default: in reports, located likewise, under the method's file name or autoloop.md."""
    rules: str | None = None
    """A rule book (.toml) or a Python file with `decide(summary)`; default: the rule book of the configs' method."""
    rules_timeout: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """Seconds that `decide(summary)` of Python rules may take for one run; then its process is killed and a note says so."""
    replicates: str | Annotated[int, msgspec.Meta(ge=0)] = "auto"
    """Runs with further seeds, as for --replicates: auto, 0, or the number of seeds per config."""
    metrics: str | dict[str, Any] | None = None
    """A metric book that extends the shipped names, aliases and derived metrics: a .toml file, or its keys as a table."""
    grace: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """Seconds in which the user's last decision can be undone before the next round starts automatically."""
    max_log_mb: Annotated[int, msgspec.Meta(ge=4)] = 256
    """The largest log kept per run, in MiB (2^20 bytes); the middle of a longer log is dropped.

    File sizes are in MiB, disk sizes (`min_free_gb`) in GB. Both keys exist since 0.1.0 and stay.
    """
    quiet_hours: str | None = None
    """Hours of the day in which no new run starts, as 22:00-07:00 in local time; running ones continue."""
    min_free_gb: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """The free space required to start a run, on the disks of .autoloop and of the outputs, in GB (10^9 bytes)."""
    trainer: dict[str, Any] = {}
    """How a run is launched, with the keys of a preset file; `preset` is then autoloop.toml itself."""
    wandb: WandbSettings = WandbSettings()
    fields: FieldSettings = FieldSettings()
    policy: PolicySettings = PolicySettings()
    keep: KeepSettings = KeepSettings()
    agents: dict[str, Grant] = {}
    """Grants for coding agents and scripts, which by default may only propose, note, pause and hold."""
    hooks: dict[HookName, Hook] = {}
    """Notifications about a loop: their events and how they are sent."""
    slurm: SlurmSpec = SlurmSpec()
    """The resources that each job requests from Slurm, with --slurm."""
    host: list[HostSpec] = []
    """Other machines on which runs may execute, over SSH."""
    search: dict[str, Any] = {}
    """The space that `--propose optuna` searches, by config path: low and high, or values."""

    @property
    def max_log(self) -> int:
        """`max_log_mb` in bytes."""
        return self.max_log_mb << 20

    @property
    def min_free(self) -> int:
        """`min_free_gb` in bytes."""
        return int(self.min_free_gb * 1e9)

    def field_types(self) -> FieldTypes:
        return default_fields().extended(tuple(self.fields.integers))

    def metric_books(self, project: Path) -> MetricBooks:
        """Return the shipped metrics with the project's. UserError if the project's cannot be read."""
        if self.metrics is None:
            return MetricBooks()
        if isinstance(self.metrics, dict):
            return MetricBooks(metric_book(self.metrics, f"{project / FILE}, [metrics]"))
        path = project / self.metrics
        return MetricBooks(parse_metric_book(read_text(path, f"metric book named in {FILE},"), str(path)))

    def metric_book(self, project: Path) -> MetricBook:
        """Return the book for unknown configs: the metrics of all methods."""
        return self.metric_books(project).of(METHODS)

    def loop_book(self, spec: LoopSpec) -> MetricBook:
        """Return the book for a planned loop, including the metrics that its `--until` and rules name."""
        return self.metric_books(Path(spec.cwd)).of(planned_methods(spec)).naming(spec.named_metrics)


def report_file(project: Path, name: str) -> Path:
    """Return the path of a report: below the trainer's repository if it exists, because users' scripts look there."""
    repository = next((project / each for each in profiles.report_folders() if (project / each).is_dir()), project)
    return repository / "reports" / name


def load_settings(project: Path) -> Settings:
    """Load the project's autoloop.toml; without one, the defaults. UserError names file, key and fix."""
    path = project / FILE
    if not os.path.lexists(path):
        return Settings()
    raw = parse_toml(read_text(path, "settings file"), str(path))
    if raw.get("trainer"):
        if "preset" in raw:
            raise UserError(f"{path}: both preset and [trainer] define how runs are launched; put preset inside [trainer].")
        raw["preset"] = FILE
    settings = read_table(raw, Settings, str(path))
    check_hooks(settings.hooks, str(path))
    return settings
