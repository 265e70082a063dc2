"""`run`: plan a loop, and with --exec make it real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from autoloop.model import LoopSpec, UserError, WandbSpec
from autoloop.settings import load_settings
from cyclopts import Parameter

from autoloop_tui.commands import run_flags
from autoloop_tui.commands.starting import plan_or_run

Many = Parameter(consume_multiple=True)
Trainer = Parameter(consume_multiple=True, allow_leading_hyphen=True)


def run(
    *,
    cfgs: Annotated[list[str] | None, Many] = None,
    steps: int = 2000,
    log_freq: int = 50,
    eval_freq: int = 200,
    concurrency: int = 1,
    gpus: str | None = None,
    gpus_per_run: int = 1,
    allow_busy: bool = False,
    device: str | None = None,
    exec_: Annotated[bool, Parameter(name="--exec")] = False,
    extra: Annotated[list[str] | None, Trainer] = None,
    wandb_online: bool = False,
    wandb_entity: str | None = None,
    wandb_project: str | None = None,
    formal: bool = False,
    inherit_dataset_from: str | None = None,
    output_root: str | None = None,
    summary_out: str | None = None,
    markdown_out: str | None = None,
    rounds: int = 1,
    variants_per_run: int = 2,
    decide: bool = False,
    approve: str = "auto",
    until: str | None = None,
    rules: str | None = None,
    no_live: bool = False,
    preset: str | None = None,
    python: str | None = None,
    train_script: str | None = None,
    retries: int = 0,
    max_hours: float | None = None,
    max_runs: int | None = None,
    quiet_hours: str | None = None,
    name: str | None = None,
    no_ui: bool = False,
    detach: bool = False,
    json: bool = False,
    accepted: Annotated[Callable[[], None] | None, Parameter(parse=False)] = None,
) -> int:
    """Plan a loop of rounds; with --exec, run it.

    Parameters
    ----------
    cfgs
        The configs of the first round (JSON files).
    steps
        Optimiser steps of each run.
    log_freq
        Steps between two logged points.
    eval_freq
        Steps between two evaluations.
    concurrency
        How many runs at a time: one on each of the first so many GPUs (or groups of --gpus-per-run).
    gpus
        GPU indices, as 0,1,2,3 (the default of a formal run); auto takes those that nobody uses; "" is the CPU.
    gpus_per_run
        How many GPUs each run gets; accelerate starts as many processes.
    allow_busy
        Start on a GPU although somebody else computes there; otherwise its slot waits until they have ended.
    device
        cuda (the default) or cpu, for debugging.
    exec_
        Run it. Without this the plan is printed and nothing is written.
    extra
        More arguments for the trainer, as --a.b=c. Stands last: whatever follows it goes to the trainer.
    wandb_online
        Record with W&B online; needs a key, an entity and a project. The default is offline.
    wandb_entity
        W&B entity.
    wandb_project
        W&B project.
    formal
        Refuse what makes results worth less: the CPU, W&B offline or without entity and project.
    inherit_dataset_from
        Take the `dataset` block of every config from this one.
    output_root
        Where the folder of the loop is made (outputs/train).
    summary_out
        The summary file, autorun_summary.json.
    markdown_out
        The Markdown report.
    rounds
        How many rounds at most; more than one needs --decide.
    variants_per_run
        How many proposals of one run go into the next round.
    decide
        Make the next round from this one by rules.
    approve
        Who approves proposals: auto, manual, or after:30m (a person, or nobody within 30 minutes).
    until
        End when a run meets this: an expression such as "eval_l1.last < 0.2", or a named one (worth-200k).
    rules
        A rule book (.toml), or a Python file with decide(summary). The default is the ACT-OT book.
    no_live
        Leave the book's live rules out: no run is stopped or relaunched by a rule while it trains.
    preset
        How a run is launched: lerobot, lerobot-0.6, plain, or the path of a preset file.
    python
        The interpreter of the training environment.
    train_script
        The training script, where the preset's is not the one.
    retries
        How often a run is tried again where its failure is worth it.
    max_hours
        Start nothing more after so many hours; what runs then ends, and the loop stops until it is resumed.
    max_runs
        Start so many runs in all, then stop likewise.
    quiet_hours
        Start no new run in these hours of the day, as 22:00-07:00 (local time); running ones go on.
    name
        A name for this loop, shown beside its number.
    no_ui
        No screen: one line an event, on this terminal.
    detach
        Start it in the background and return at once.
    json
        Print the plan, or what --detach started, as JSON.
    accepted
        Not a flag: called when everything has been checked and before anything is made.
    """
    if json and exec_ and not detach:
        raise UserError("--json prints the plan, or what --detach started; leave it away, or add --detach.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    slots_on = run_flags.device_of(device, gpus)
    spec = LoopSpec(
        configs=[str(run_flags.absolute(cwd, path)) for path in cfgs or []],
        steps=steps,
        log_freq=log_freq,
        eval_freq=eval_freq,
        device=slots_on,
        gpus=[] if slots_on == "cpu" else run_flags.gpus_of(gpus, settings, gpus_per_run),
        gpus_per_run=gpus_per_run,
        allow_busy=allow_busy,
        concurrency=concurrency,
        extra=run_flags.trainer_arguments(extra or []),
        wandb=WandbSpec(
            online=wandb_online or settings.wandb.online,
            entity=wandb_entity or settings.wandb.entity,
            project=wandb_project or settings.wandb.project,
        ),
        formal=formal or settings.policy.formal,
        rounds=rounds,
        variants_per_run=variants_per_run,
        decide=decide,
        approve=run_flags.approval(approve),
        grace=settings.grace,
        until=until,
        rules=run_flags.optional(cwd, rules or settings.rules),
        live=not no_live,
        preset=run_flags.preset_of(cwd, preset or settings.preset),
        python=run_flags.interpreter(cwd, python or settings.python),
        train_script=train_script or settings.train_script,
        cwd=str(cwd),
        retries=retries,
        max_hours=max_hours,
        max_runs=max_runs,
        quiet_hours=quiet_hours or settings.quiet_hours,
        name=name,
        output_root=str(run_flags.absolute(cwd, output_root or settings.output_root)),
        summary_out=str(run_flags.report_path(cwd, summary_out or settings.summary_out, "data/autorun_summary.json")),
        markdown_out=str(run_flags.report_path(cwd, markdown_out or settings.markdown_out, "act_ot.md")),
        inherit_dataset_from=run_flags.optional(cwd, inherit_dataset_from),
    )
    return plan_or_run(spec, settings, execute=exec_, no_ui=no_ui, detach=detach, as_json=json, accepted=accepted)
