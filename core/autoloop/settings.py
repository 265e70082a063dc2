"""`autoloop.toml`: what a project sets once, so that nobody types it each time. Flags win over it."""

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
    """`[fields]`: what the config's types cannot tell."""

    integers: list[str] = []
    """More names (shell patterns over the last part of a path) of fields that must stay integers."""


class PolicySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[policy]`: what a run of this project must be."""

    formal: bool = False
    """Refuse the CPU, and W&B offline or without an entity and a project, as --formal does."""


class KeepSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[keep]`: which checkpoints stay when `disk --free` makes space."""

    checkpoints: str = ""
    """What to keep, as `best 3 by eval_l1, last of all`; without it nothing is thrown away."""
    over: Literal["loop", "project"] = "loop"
    """Among which runs the best are chosen: those of each loop, or of all loops together."""
    when: Literal["by hand", "each round"] = "by hand"
    """Whether only `disk --free --exec` moves checkpoints to the trash, or the engine too when a round has ended."""
    trash_days: Annotated[float, msgspec.Meta(ge=0)] = 7.0
    """Days for which what was thrown away can be put back."""


GrantedVerb = Literal[
    "approve", "reject", "undo", "edit", "start", "resume", "stop", "kill", "retry", "extend", "move", "free"
]
"""What needs a person unless `[agents]` opens it; `hold --off` counts as `start`,
and `free` is `disk --free --exec` and `--empty`."""


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Between which numbers a value may be set; without a bound, to anything on that side."""

    low: float | None = None
    high: float | None = None


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[agents.NAME]`: what this coding agent may ask for, in each loop; `[agents.script]`: what commands without a terminal
    may, if no agent is known."""

    allow: list[GrantedVerb] = []
    runs: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """How many runs its approvals, retries, extensions, and a first round that it starts, may bring about in a loop."""
    gpu_hours: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """How many GPU hours these may take, those that wait and run counted with the mean of the loop's ended runs."""
    slots: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """How many of these may wait or run at one time."""
    hours: Annotated[str, msgspec.Meta(pattern=r"^([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d$")] | None = None
    """The hours of the day in which it may, as 09:00-19:00 in local time."""
    edits: dict[str, Range] | None = None
    """Which places of a config it may propose and approve to change (shell patterns of paths), and in which range."""


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
    """autorun_summary.json; default: reports/data, below the profile's folder for reports if that exists."""
    markdown_out: str | None = None
    """The Markdown report; default: the file name of the configs' method, or autoloop.md, in reports, chosen likewise."""
    rules: str | None = None
    """A rule book (.toml) or a Python file with `decide(summary)`; default: the rule book of the configs' method."""
    rules_timeout: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """Seconds that `decide(summary)` of Python rules may take for one run; then its process is killed, and that is said."""
    replicates: str | Annotated[int, msgspec.Meta(ge=0)] = "auto"
    """Runs with further seeds, as --replicates gives them: auto, 0, or how many seeds each config has."""
    metrics: str | dict[str, Any] | None = None
    """A metric book that adds to the shipped names, aliases and derived metrics: a file (.toml), or its keys as a table."""
    grace: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """Seconds in which a person's last decision can be undone before the next round starts by itself."""
    max_log_mb: Annotated[int, msgspec.Meta(ge=4)] = 256
    """The largest log kept per run, in MiB (2^20 bytes); of a longer one the beginning and the end are kept.

    A size of a file, hence MiB; `min_free_gb` is a size of a disk, hence GB. Both keys are of 0.1.0 and stay.
    """
    quiet_hours: str | None = None
    """Hours of the day in which no new run starts, as 22:00-07:00 in local time; running ones go on."""
    min_free_gb: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """The free space that a run needs to start, on the disks of .autoloop and of the outputs, in GB (10^9 bytes)."""
    trainer: dict[str, Any] = {}
    """How a run is launched, as a preset file would say it: `preset` is then this file."""
    wandb: WandbSettings = WandbSettings()
    fields: FieldSettings = FieldSettings()
    policy: PolicySettings = PolicySettings()
    keep: KeepSettings = KeepSettings()
    agents: dict[str, Grant] = {}
    """What coding agents and scripts may ask for; by default to propose, to note, to pause and to hold."""
    hooks: dict[HookName, Hook] = {}
    """What is told of a loop to others, and how."""
    slurm: SlurmSpec = SlurmSpec()
    """What each job asks Slurm for, with --slurm."""
    host: list[HostSpec] = []
    """Other machines that runs may use through ssh."""
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
        """The shipped metrics and the project's. UserError if the project's cannot be read."""
        if self.metrics is None:
            return MetricBooks()
        if isinstance(self.metrics, dict):
            return MetricBooks(metric_book(self.metrics, f"{project / FILE}, [metrics]"))
        path = project / self.metrics
        return MetricBooks(parse_metric_book(read_text(path, f"metric book named in {FILE},"), str(path)))

    def metric_book(self, project: Path) -> MetricBook:
        """`metric_books` for configs that are not known: of all methods."""
        return self.metric_books(project).of(METHODS)

    def loop_book(self, spec: LoopSpec) -> MetricBook:
        """`metric_books` for a planned loop, with the metrics that its `--until` and rules look at."""
        return self.metric_books(Path(spec.cwd)).of(planned_methods(spec)).naming(spec.named_metrics)


def report_file(project: Path, name: str) -> Path:
    """A file among the reports: below the trainer's repository if it is there, because people's scripts look there."""
    repository = next((project / each for each in profiles.report_folders() if (project / each).is_dir()), project)
    return repository / "reports" / name


def load_settings(project: Path) -> Settings:
    """The project's autoloop.toml, or the defaults where there is none. UserError names file, key and fix."""
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
