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
    """The configs of the first round (JSON, YAML or TOML files); without them the base of [trainer]."""


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """Values that are tried in every combination."""

    grid: Annotated[list[str] | None, Many] = None
    """Values to try, one axis a word: lr=1e-3,3e-3 (a short name will do), layers=2..6, lr=1e-4..1e-2:3log. With
    --propose, what is searched: lr=1e-4..1e-2."""
    seeds: str | None = None
    """Repeat each config with several seeds, in every round: how many (3), or which (42,43)."""
    zip: bool = False
    """Pair the values of the axes one by one instead of every combination."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How long runs train, and how often they log."""

    steps: int = 2000
    """Optimiser steps of each run."""
    log_freq: int = 50
    """Steps between two logged points."""
    eval_freq: int = 200
    """Steps between two evaluations."""


@dataclass(frozen=True, kw_only=True)
class SlotOptions:
    """Which processors runs use, and how many runs at a time."""

    concurrency: int = 1
    """How many runs at a time: one per GPU (or group of --gpus-per-run), on the first GPUs."""
    gpus: str | None = None
    """GPU indices, as 0,1,2,3 (the default of a formal run); auto takes the free ones; "" is the CPU."""
    device: str | None = None
    """cuda (the default) or cpu, for debugging."""
    slurm: bool = False
    """Run in Slurm, as [slurm] in autoloop.toml says; with --gpus on those of this machine too."""
    hosts: str | None = None
    """Run on hosts of [[host]] in autoloop.toml through ssh: all, or names as box1,box2; with --gpus here too."""


@dataclass(frozen=True, kw_only=True)
class WandbOptions:
    """Where runs are recorded."""

    wandb_online: bool = False
    """Record with W&B online; needs a key, an entity and a project. The default is offline."""
    wandb_entity: str | None = None
    """W&B entity."""
    wandb_project: str | None = None
    """W&B project."""


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """The command that a run starts."""

    preset: str | None = None
    """How a run is launched: the name of a shipped preset (a wrong one lists them), or the path of a preset file."""
    python: str | None = None
    """The Python interpreter of the training environment."""
    train_script: str | None = None
    """Training script, if it differs from the preset's."""
    extra: Annotated[
        list[str] | None, Parameter(name=["--extra", "--extra-args"], consume_multiple=True, allow_leading_hyphen=True)
    ] = None
    """More arguments for the trainer, as --a.b=c. Must be last: everything after it goes to the trainer."""


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Whether a loop is started, and who follows it."""

    exec_: Annotated[bool, Parameter(name="--exec")] = False
    """Start training. Without it nothing is started."""
    no_ui: bool = False
    """No screen: print one line per event on this terminal."""
    detach: bool = False
    """Start it in the background and return at once."""


@dataclass(frozen=True, kw_only=True)
class LaunchOptions(StartOptions, TrainerOptions, WandbOptions, SlotOptions, TrainingOptions):
    """How runs are launched: what `generate` shares with `run`."""


@dataclass(frozen=True, kw_only=True)
class SharingOptions:
    """GPUs per run, and GPUs shared with others."""

    gpus_per_run: int = 1
    """How many GPUs each run gets; accelerate starts as many processes."""
    allow_busy: bool = False
    """Start on a GPU even if another process is using it; otherwise its slot waits."""


@dataclass(frozen=True, kw_only=True)
class PathOptions:
    """Where results go."""

    output_root: str | None = None
    """Where the folder of the loop is made (outputs/train)."""
    summary_out: str | None = None
    """The summary file, autorun_summary.json."""
    markdown_out: str | None = None
    """The Markdown report."""


@dataclass(frozen=True, kw_only=True)
class DecisionOptions:
    """How many rounds, and who decides on their runs."""

    rounds: int = 1
    """How many rounds at most; more than one needs --decide or --propose."""
    variants_per_run: int = 2
    """How many proposals of one run go into the next round."""
    decide: bool = False
    """Let rules propose the next round."""
    propose: str | None = None
    """Let Optuna propose, over --grid or [search], when rules do not: optuna (TPE), optuna:gp or optuna:qmc."""
    approve: str = "auto"
    """Who approves proposals: auto, manual, or after:30m (automatically after 30 minutes)."""
    replicates: str | None = None
    """Before it is called better, run again what looks better, with fresh seeds beside the baseline: auto (the default) or
    0 (never). 3 gives each config the seeds 1 to 3 instead."""
    until: str | None = None
    """End when a run meets this: a condition such as "val/loss.last < 0.2", or a named one (worth-200k)."""
    halve: str | None = None
    """The step at which the worse half of a round's configs stops and replicates of the better take over; auto finds it."""
    then: str | None = None
    """When the rounds are done: extend=200000 continues the config that is better than the baseline to 200000 steps."""
    rules: str | None = None
    """A rule book (.toml), or a Python file with decide(summary). The default is that of the configs' method."""
    no_live: bool = False
    """Ignore the book's live rules: no rule stops or relaunches a run while it trains."""


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """Limits for unattended runs."""

    retries: int = 0
    """Retries of a run whose failure may be transient."""
    max_hours: float | None = None
    """Start nothing more after this many hours; running runs finish, and the loop stops until it is resumed."""
    max_runs: int | None = None
    """Start this many runs in total, then stop in the same way."""
    quiet_hours: str | None = None
    """Start no new run in these hours of the day, as 22:00-07:00 (local time); running runs go on."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(LimitOptions, DecisionOptions, PathOptions, SharingOptions, LaunchOptions, GridOptions, ConfigOptions):
    """All flags of `run`."""

    formal: bool = False
    """Refuse the CPU, and W&B offline or without entity and project."""
    inherit_dataset_from: str | None = None
    """Take the `dataset` block of every config from this one."""
    name: str | None = None
    """A name for this loop, shown beside its number."""
    json: bool = False
    """Print JSON: the plan, what --detach started, or what `doctor` found."""


NO_FLAGS, NO_LAUNCH_FLAGS, NO_GRID = RunOptions(), LaunchOptions(), GridOptions()
Flags = Annotated[RunOptions, Parameter(name="*")]
LaunchFlags = Annotated[LaunchOptions, Parameter(name="*")]
GridFlags = Annotated[GridOptions, Parameter(name="*")]


def loop_spec(given: RunOptions, cwd: Path, settings: Settings) -> LoopSpec:
    """The flags, with the project's settings for those that are not given. UserError names the flag that is wrong."""
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
