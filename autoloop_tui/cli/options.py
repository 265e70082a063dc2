"""The flags of `run`, each with its help once, in groups: `doctor` takes all of them, `generate` those of a launch.

cyclopts makes a flag of each field; the text below a field is its help. A command takes a group, or several joined by
inheritance, as one parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from autoloop.model import LoopSpec, WandbSpec
from autoloop.settings import Settings, report_file
from cyclopts import Parameter

from autoloop_tui.cli import run_flags
from autoloop_tui.cli.parameters import Many


@dataclass(frozen=True, kw_only=True)
class ConfigOptions:
    """Which configs."""

    cfgs: Annotated[list[str] | None, Many] = None
    """Configs of the first round (JSON, YAML or TOML files); by default the base in [trainer]."""


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """Values that are tried in every combination."""

    grid: Annotated[list[str] | None, Many] = None
    """Values to try, one argument per axis: lr=1e-3,3e-3 (short names work), layers=2..6, lr=1e-4..1e-2:3log. With
    --propose, the search space: lr=1e-4..1e-2."""
    seeds: str | None = None
    """Run each config with several seeds in every round: how many (3), or the seeds themselves (42,43)."""
    zip: bool = False
    """Pair the values of the axes one to one instead of combining them."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How long runs train, and how often they log."""

    steps: int = 2000
    """Optimiser steps per run."""
    log_freq: int = 50
    """Steps between logged points."""
    eval_freq: int = 200
    """Steps between evaluations."""


@dataclass(frozen=True, kw_only=True)
class SlotOptions:
    """Which devices runs use, and how many runs at a time."""

    concurrency: int = 1
    """Maximum number of simultaneous runs, on the first GPUs; each uses one GPU, or --gpus-per-run."""
    gpus: str | None = None
    """GPU indices, such as 0,1,2,3 (the default of a formal run); auto picks free ones; "" means the CPU."""
    device: str | None = None
    """cuda (the default) or cpu, for debugging."""
    slurm: bool = False
    """Run in Slurm with the settings of [slurm] in autoloop.toml; with --gpus, on this machine's GPUs too."""
    hosts: str | None = None
    """Run on [[host]] machines from autoloop.toml over SSH: all, or names such as box1,box2; with --gpus, here too."""


@dataclass(frozen=True, kw_only=True)
class WandbOptions:
    """Where runs are recorded."""

    wandb_online: bool = False
    """Record to W&B online; needs a key, an entity and a project. Offline by default."""
    wandb_entity: str | None = None
    """W&B entity."""
    wandb_project: str | None = None
    """W&B project."""


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """The command that a run starts."""

    preset: str | None = None
    """How runs are launched: a built-in preset (an unknown name lists them), or a preset file."""
    python: str | None = None
    """The Python interpreter of the training environment."""
    train_script: str | None = None
    """Training script, if it differs from the preset's."""
    extra: Annotated[
        list[str] | None, Parameter(name=["--extra", "--extra-args"], consume_multiple=True, allow_leading_hyphen=True)
    ] = None
    """Extra arguments for the trainer, such as --a.b=c. Must be last: everything after it goes to the trainer."""


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Whether to start the loop, and how to follow it."""

    exec_: Annotated[bool, Parameter(name="--exec")] = False
    """Start training; without it, only the plan is printed."""
    no_ui: bool = False
    """Print one line per event instead of opening the console."""
    detach: bool = False
    """Start in the background and return immediately."""


@dataclass(frozen=True, kw_only=True)
class LaunchOptions(StartOptions, TrainerOptions, WandbOptions, SlotOptions, TrainingOptions):
    """How runs are launched: what `generate` shares with `run`."""


@dataclass(frozen=True, kw_only=True)
class SharingOptions:
    """GPUs per run, and GPUs shared with others."""

    gpus_per_run: int = 1
    """GPUs per run; accelerate starts one process per GPU."""
    allow_busy: bool = False
    """Use GPUs even if other processes are running on them; by default their slots wait."""


@dataclass(frozen=True, kw_only=True)
class PathOptions:
    """Where results go."""

    output_root: str | None = None
    """Parent folder for the loop's output (outputs/train)."""
    summary_out: str | None = None
    """The JSON summary, autorun_summary.json."""
    markdown_out: str | None = None
    """The Markdown report."""


@dataclass(frozen=True, kw_only=True)
class DecisionOptions:
    """Number of rounds, and who decides what they run."""

    rounds: int = 1
    """Maximum number of rounds; more than one needs --decide or --propose."""
    variants_per_run: int = 2
    """Maximum number of proposals per run that enter the next round."""
    decide: bool = False
    """Let rules propose edits for the next round."""
    propose: str | None = None
    """Let Optuna propose when rules do not, within --grid or [search]: optuna (TPE), optuna:gp or optuna:qmc."""
    approve: str = "auto"
    """Who approves proposals: auto, manual, or after:30m (automatically after 30 minutes)."""
    replicates: str | None = None
    """Run promising configs again on fresh seeds first, beside the baseline: auto (the default) or 0 (never). A number
    such as 3 instead runs every config with seeds 1 to 3."""
    until: str | None = None
    """End when a run meets this condition, such as "val/loss.last < 0.2", or a named one (worth-200k)."""
    halve: str | None = None
    """Step at which the worse half of a round's configs stops and replicates of the better half take their slots; auto picks
    the step."""
    then: str | None = None
    """After the last round: extend=200000 continues a config that is better than the baseline to 200000 steps."""
    rules: str | None = None
    """A rule book (.toml), or a Python file with decide(summary). By default the built-in book for the configs' method."""
    no_live: bool = False
    """Turn off live rules: no rule stops or relaunches a run during training."""


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """Limits for unattended runs."""

    retries: int = 0
    """Retries per run, for failures that may be transient."""
    max_hours: float | None = None
    """Start no runs after this many hours; active runs finish, then the loop stops until you resume it."""
    max_runs: int | None = None
    """Start at most this many runs in total, then stop in the same way."""
    quiet_hours: str | None = None
    """Start no new runs during these hours, such as 22:00-07:00 (local time); active runs continue."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(LimitOptions, DecisionOptions, PathOptions, SharingOptions, LaunchOptions, GridOptions, ConfigOptions):
    """All flags of `run`."""

    formal: bool = False
    """Require GPUs, and W&B online with entity and project."""
    inherit_dataset_from: str | None = None
    """Replace the `dataset` block of every config with that of this config."""
    name: str | None = None
    """A name for the loop, shown beside its number."""
    json: bool = False
    """Print JSON: the plan, the loop started with --detach, or the findings of `doctor`."""


NO_FLAGS, NO_LAUNCH_FLAGS, NO_GRID = RunOptions(), LaunchOptions(), GridOptions()
Flags = Annotated[RunOptions, Parameter(name="*")]
LaunchFlags = Annotated[LaunchOptions, Parameter(name="*")]
GridFlags = Annotated[GridOptions, Parameter(name="*")]


def loop_spec(given: RunOptions, cwd: Path, settings: Settings) -> LoopSpec:
    """Build the loop's specification from the flags; settings of the project replace missing flags. UserError names the
    invalid flag."""
    device = run_flags.device_of(given.device, given.gpus)
    hosts = run_flags.hosts_of(given.hosts, settings)
    here = device != "cpu" and not ((given.slurm or hosts) and given.gpus is None)
    seeds, confirm = run_flags.seeds_of(given.seeds, given.replicates, settings.replicates)
    return LoopSpec(
        configs=[str(run_flags.absolute(cwd, path)) for path in given.cfgs or []],
        steps=given.steps,
        log_freq=given.log_freq,
        eval_freq=given.eval_freq,
        device=device,
        gpus=run_flags.gpus_of(given.gpus, settings, given.gpus_per_run, starting=given.exec_) if here else [],
        slurm=settings.slurm if given.slurm else None,
        hosts=hosts,
        gpus_per_run=given.gpus_per_run,
        allow_busy=given.allow_busy,
        concurrency=given.concurrency,
        extra=run_flags.trainer_arguments(given.extra or []),
        wandb=WandbSpec(
            online=given.wandb_online or settings.wandb.online,
            entity=given.wandb_entity or settings.wandb.entity,
            project=given.wandb_project or settings.wandb.project,
        ),
        formal=given.formal or settings.policy.formal,
        rounds=given.rounds,
        variants_per_run=given.variants_per_run,
        decide=given.decide,
        search=run_flags.search_of(given.propose),
        approve=run_flags.approval(given.approve),
        grace=settings.grace,
        until=given.until,
        halve=run_flags.halve(given.halve),
        extend_winner=run_flags.then(given.then),
        rules=run_flags.optional(cwd, given.rules or settings.rules),
        live=not given.no_live,
        preset=run_flags.preset_of(cwd, given.preset or settings.preset),
        python=run_flags.interpreter(cwd, given.python or settings.python),
        train_script=given.train_script or settings.train_script,
        cwd=str(cwd),
        retries=given.retries,
        max_hours=given.max_hours,
        max_runs=given.max_runs,
        quiet_hours=given.quiet_hours or settings.quiet_hours,
        name=given.name,
        output_root=str(run_flags.absolute(cwd, given.output_root or settings.output_root)),
        summary_out=run_flags.optional(cwd, given.summary_out or settings.summary_out)
        or str(report_file(cwd, "data/autorun_summary.json")),
        markdown_out=run_flags.optional(cwd, given.markdown_out or settings.markdown_out) or "",
        inherit_dataset_from=run_flags.optional(cwd, given.inherit_dataset_from),
        grid=given.grid or [],
        seeds=seeds,
        confirm=confirm,
        zip=given.zip,
    )
