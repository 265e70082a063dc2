"""`doctor`: everything that can be known to go wrong before GPU time is spent. `run --exec` asks the same first."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Annotated

from autoloop import gpus as gpu_report
from autoloop import preflight
from autoloop.configs import Config
from autoloop.engine.checks import check_formal, check_numbers, check_places
from autoloop.engine.plan import LoopPlan, dataset_of, plan_attempt, read_config
from autoloop.launch import environment, load_preset
from autoloop.model import LoopSpec, Run, UserError, WandbSpec
from autoloop.preflight import Finding
from autoloop.settings import load_settings
from cyclopts import Parameter

from autoloop_tui import plain
from autoloop_tui.commands import run_flags

Many = Parameter(consume_multiple=True)
Trainer = Parameter(consume_multiple=True, allow_leading_hyphen=True)


def doctor(
    *,
    cfgs: Annotated[list[str] | None, Many] = None,
    steps: int = 2000,
    log_freq: int = 50,
    eval_freq: int = 200,
    concurrency: int = 1,
    gpus: str | None = None,
    device: str | None = None,
    extra: Annotated[list[str] | None, Trainer] = None,
    wandb_online: bool = False,
    wandb_entity: str | None = None,
    wandb_project: str | None = None,
    formal: bool = False,
    inherit_dataset_from: str | None = None,
    output_root: str | None = None,
    preset: str | None = None,
    python: str | None = None,
    train_script: str | None = None,
    json: bool = False,
) -> int:
    """Check everything that a run needs, without starting one; exit code 1 where something is wrong.

    The training environment, every config as the trainer's own classes read it, the GPUs, the disk, W&B, the terminal.
    Takes the flags of `run` that matter.

    Parameters
    ----------
    cfgs
        The configs that are to run (JSON files).
    steps
        Optimiser steps of each run.
    log_freq
        Steps between two logged points.
    eval_freq
        Steps between two evaluations.
    concurrency
        How many runs at a time.
    gpus
        GPU indices, as 0,1,2,3; "" is the CPU.
    device
        cuda (the default) or cpu.
    extra
        More arguments for the trainer, as --a.b=c. Stands last.
    wandb_online
        Check the W&B key and server too.
    wandb_entity
        W&B entity.
    wandb_project
        W&B project.
    formal
        Refuse what a formal run refuses: the CPU, W&B offline or without entity and project.
    inherit_dataset_from
        Take the `dataset` block of every config from this one.
    output_root
        Where the folders of loops are made (outputs/train).
    preset
        How a run is launched: lerobot, lerobot-0.6, plain, or the path of a preset file.
    python
        The interpreter of the training environment.
    train_script
        The training script, where the preset's is not the one.
    json
        The findings as JSON.
    """
    cwd = Path.cwd()
    settings = load_settings(cwd)
    slots_on = run_flags.device_of(device, gpus)
    spec = LoopSpec(
        configs=[str(run_flags.absolute(cwd, path)) for path in cfgs or []],
        steps=steps,
        log_freq=log_freq,
        eval_freq=eval_freq,
        device=slots_on,
        gpus=[] if slots_on == "cpu" else run_flags.gpus_of(gpus, settings),
        concurrency=concurrency,
        extra=run_flags.trainer_arguments(extra or []),
        wandb=WandbSpec(
            online=wandb_online or settings.wandb.online,
            entity=wandb_entity or settings.wandb.entity,
            project=wandb_project or settings.wandb.project,
        ),
        formal=formal or settings.policy.formal,
        preset=run_flags.preset_of(cwd, preset or settings.preset),
        python=run_flags.interpreter(cwd, python or settings.python),
        train_script=train_script or settings.train_script,
        cwd=str(cwd),
        output_root=str(run_flags.absolute(cwd, output_root or settings.output_root)),
        inherit_dataset_from=run_flags.optional(cwd, inherit_dataset_from),
    )
    found = examine(spec)
    across = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(_as_json(found) if json else as_text(found, across))
    return 1 if any(each.level == "error" for each in found) else 0


def check_plan(plan: LoopPlan) -> list[Finding]:
    """The findings for a loop that is about to be made."""
    spec = plan.spec
    preset = load_preset(spec.preset)
    runs = [
        preflight.candidate(spec, preset, Path(each.run.source_path).name, each.config, each.launch) for each in plan.runs
    ]
    return preflight.examine(
        spec,
        preset,
        runs,
        gpus=gpu_report.read_within(),
        min_free=load_settings(Path(spec.cwd)).min_free,
        environment=os.environ,
        trainer_environment=environment(plan.runs[0].launch, os.environ),
    )


def examine(spec: LoopSpec) -> list[Finding]:
    """As much as can be looked at, whatever is wrong: every problem is one finding."""
    preset = load_preset(spec.preset)
    found: list[Finding] = []
    for check in (check_numbers, check_formal, lambda spec: check_places(spec, preset)):
        try:
            check(spec)
        except UserError as problem:
            found.append(Finding(subject="command", level="error", text=str(problem)))
    if not os.path.isfile(spec.python):
        return found
    configs: list[tuple[str, Config]] = []
    for source in spec.configs:
        try:
            configs.append((Path(source).name, read_config(source, dataset_of(spec))))
        except UserError as problem:
            found.append(Finding(subject=f"config {Path(source).name}", level="error", text=str(problem)))
    run = Run(id="doctor00", loop=0, round=1, position=0, name="doctor", config_path="", source_path="", config_hash="",
              total_steps=spec.steps)  # fmt: skip
    out = str(Path(spec.output_root) / "doctor")
    try:
        launch = plan_attempt(preset, spec, "doctor", run, spec.slots[0], out, "config.json")
    except UserError as problem:
        return [*found, Finding(subject="command", level="error", text=str(problem))]
    runs = [preflight.candidate(spec, preset, name, config, launch) for name, config in configs]
    return found + preflight.examine(
        spec,
        preset,
        runs,
        gpus=gpu_report.read_within(),
        min_free=load_settings(Path(spec.cwd)).min_free,
        environment=os.environ,
        trainer_environment=environment(launch, os.environ),
    )


# ------------------------------------------------------------------------------------------------------ what is said


def as_text(found: list[Finding], across: int | None = None) -> str:
    """A finding, what to do below it, and what it comes to; in lines of `across` cells, without it one line each."""
    subjects = max(plain.width(plain.printable(each.subject)) for each in found)
    indent = " " * (subjects + 11)
    lines = []
    for each in found:
        head = f"{each.level:7}  {plain.pad(plain.printable(each.subject), subjects)}  "
        lines += _wrapped(head, indent, plain.printable(each.text), across)
        if each.advice:
            lines += _wrapped(f"{indent}→ ", f"{indent}  ", plain.printable(each.advice), across)
    return "\n".join([*lines, "", _sum(found)])


def _wrapped(first: str, others: str, text: str, across: int | None) -> list[str]:
    if across is None or across < len(others) + 20:
        return [first + text]
    wrap = textwrap.TextWrapper(across, first, others, break_long_words=False, break_on_hyphens=False)
    return wrap.wrap(text) or [first.rstrip()]


def say(found: list[Finding]) -> None:
    """On stderr: what is wrong, or should be known, and nothing where all is well."""
    for each in found:
        if each.level != "ok":
            advice = f"; {each.advice}" if each.advice else ""
            word = "error" if each.level == "error" else "note"
            print(f"{word}: {plain.printable(f'{each.subject}: {each.text}{advice}')}", file=sys.stderr)


def _sum(found: list[Finding]) -> str:
    counts = Counter(each.level for each in found)
    if not counts["error"]:
        return "Ready." if not counts["warning"] else "Ready, but read the warnings."
    errors = f"{counts['error']} error{'s' if counts['error'] > 1 else ''}"
    return f"Not ready: {errors}. `autoloop-tui run --exec` would refuse to start."


def _as_json(found: list[Finding]) -> str:
    document = {"ready": not any(each.level == "error" for each in found), "findings": found}
    return plain.json_text(document)
