"""Checks of a loop's spec that can be made before anything is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from autoloop.configs import unusable
from autoloop.engine.planning.limits import check_budget
from autoloop.engine.planning.own_settings import check_own_folders, wandb_name
from autoloop.engine.planning.rule_checks import check_decidable, misspelt
from autoloop.gpus import GpuReport
from autoloop.metrics import MetricBook
from autoloop.model import LOCAL, SLURM, Config, LoopSpec, UserError
from autoloop.preflight.config_paths import missing_paths
from autoloop.profiles import planned_methods
from autoloop.rule_files import load_rules
from autoloop.rules import Expression, RuleSource, criterion
from autoloop.settings import Settings
from autoloop.store import Places
from autoloop.text.plural import plural
from autoloop.trainers import Preset
from autoloop.trainers.presets import PLACEHOLDER
from autoloop.trainers.programs import exists
from autoloop.wandb_cloud.key import key_source

OURS_IN_SLURM = frozenset(
    [
        *("-J", "--job-name", "--comment", "-o", "--output", "-e", "--error", "--open-mode", "--export", "--signal"),
        *("-a", "--array", "--requeue", "--no-requeue", "-W", "--wait", "--wrap", "--parsable", "-n", "--ntasks"),
        *("-N", "--nodes"),
    ]
)
"""sbatch options that `[slurm] directives` may not contain: a run is one job with one task on one node."""


def check(
    spec: LoopSpec,
    preset: Preset,
    settings: Settings,
    gpus: GpuReport,
    environment: Mapping[str, str],
    configs: Sequence[tuple[str, Config]],
    *,
    found: set[str],
    starting: bool,
) -> tuple[RuleSource, Expression | None, list[str]]:
    """Raise UserError for the first problem that the user must fix; all problems of `configs` count as one.

    `found`: the metrics that earlier runs logged. Returns the loop's rules, the parsed `--until`, and warnings: names in the
    rules that match nothing and, unless `starting`, what this machine lacks.
    """
    check_numbers(spec)
    check_formal(spec)
    check_budget(spec)
    check_places(spec, preset)
    check_slots(spec)
    check_slurm(spec)
    check_hosts(spec)
    if faults := [f"{source}: {fault}" for source, config in configs for fault in unusable(config)]:
        raise UserError(" ".join(faults))
    check_own_folders(preset, spec, configs)
    check_wandb(spec, configs)
    lacking = []
    for lack in (partial(check_gpus, spec, gpus), partial(check_key, spec, environment)):
        try:
            lack()
        except UserError as problem:
            if starting:
                raise
            lacking.append(str(problem))
    for source, config in configs if not starting else ():
        lacking += [f"{each.subject}: {each.text}." for each in missing_paths(Path(source).name, config, spec)]
    metrics = settings.loop_book(spec)
    values = [config for _, config in configs]
    check_decidable(spec, values, metrics, found)
    rules = load_rules(spec.rules, metrics, settings.rules_timeout, methods=planned_methods(spec))
    until = load_until(spec, rules, metrics)
    said = misspelt(spec, rules, until, values, settings.field_types(), metrics, found)
    return rules, until, [*lacking, *(each if each.endswith("?") else f"{each}." for each in said)]


def load_until(spec: LoopSpec, rules: RuleSource, metrics: MetricBook) -> Expression | None:
    """The parsed and checked `--until`: a criterion of the rule book, by name, or a condition. None without `--until`."""
    if spec.until is None:
        return None
    return criterion(spec.until, rules, metrics, planned_methods(spec)).when


def check_numbers(spec: LoopSpec) -> None:
    for flag, value, least, most in (
        ("--steps", spec.steps, 1, 10**9),
        ("--log-freq", spec.log_freq, 1, 10**9),
        ("--eval-freq", spec.eval_freq, 0, 10**9),
        ("--concurrency", spec.concurrency, 1, 1000),
        ("--rounds", spec.rounds, 1, 1000),
        ("--variants-per-run", spec.variants_per_run, 1, 1000),
        ("--retries", spec.retries, 0, 1000),
    ):
        if not least <= value <= most:
            raise UserError(f"{flag} must be from {least} to {most}, not {value}.")
    if spec.rounds > 1 and not spec.proposes:
        raise UserError(
            f"--rounds {spec.rounds} needs --decide or --propose: without either, nothing proposes configs for the "
            "second round."
        )


def check_formal(spec: LoopSpec) -> None:
    """Raise UserError if a formal run is not allowed as specified."""
    if not spec.formal:
        return
    off = "or omit --formal (or remove formal from autoloop.toml) to debug"
    if spec.device == "cpu":
        raise UserError(f"A formal run is refused on the CPU: name GPUs with --gpus, {off}.")
    if not spec.wandb.online:
        raise UserError(f"A formal run is refused with W&B offline: add --wandb-online, {off}.")
    for name, value in (("entity", spec.wandb.entity), ("project", spec.wandb.project)):
        if not value:
            raise UserError(
                f"A formal run is refused without a W&B {name}: give --wandb-{name}, or set it in autoloop.toml "
                "under [wandb]."
            )


def check_places(spec: LoopSpec, preset: Preset) -> None:
    if not (os.path.isfile(spec.python) and os.access(spec.python, os.X_OK)):
        raise UserError(f"The interpreter {spec.python} does not exist or cannot be executed; choose another with --python.")
    script = spec.train_script or preset.script
    if script and not os.path.isfile(os.path.join(spec.cwd, script)):
        advice = "run from your training repository, or give the script with --train-script."
        if spec.train_script is None:
            advice = (
                f"the preset {preset.name} ({preset.title}) starts it. Run from that repository; for another trainer, "
                "run `autoloop-tui init -- <your command>` to write autoloop.toml, or use --train-script with --preset "
                "plain."
            )
        raise UserError(f"The training script {script} does not exist in {spec.cwd}; {advice}")
    check_command(spec, preset)
    for flag, file in (("--summary-out", spec.summary_out), ("--markdown-out", spec.markdown_out)):
        if os.path.isdir(file):
            raise UserError(f"{flag}: {file} is a folder; give a file.")
    for flag, path in (
        ("--output-root", Path(spec.output_root)),
        ("--summary-out", Path(spec.summary_out).parent),
        ("--markdown-out", Path(spec.markdown_out).parent),
        ("the project", Places(Path(spec.cwd)).home),
    ):
        nearest = next(p for p in (path, *path.parents) if os.path.exists(p))
        if not os.path.isdir(nearest):
            raise UserError(f"{flag}: {nearest} is a file, not a folder; choose another place.")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UserError(f"{flag}: you may not write to {nearest}; choose another place or change its permissions.")


def check_command(spec: LoopSpec, preset: Preset) -> None:
    """Raise UserError if the program of the preset's command, or a Python file that {python} runs, does not exist."""
    program, *words = preset.argv
    if not spec.apart and not exists(program, spec.python, spec.cwd):
        raise UserError(
            f"The command {program} of the preset {preset.name} was not found beside {spec.python} or on PATH; choose "
            "its environment's interpreter with --python, or fix command."
        )
    file = words[0] if words else ""
    run_by_python = program == "{python}" and file.endswith(".py") and not PLACEHOLDER.search(file)
    if run_by_python and not os.path.isfile(os.path.join(spec.cwd, file)):
        raise UserError(f"The training script {file} does not exist in {spec.cwd}; fix command, or run from its folder.")


def check_slots(spec: LoopSpec) -> None:
    """Raise UserError if the numbers of GPUs are inconsistent."""
    if spec.gpus_per_run < 1:
        raise UserError(f"--gpus-per-run must be at least 1, not {spec.gpus_per_run}.")
    if spec.device == "cpu":
        if spec.gpus_per_run > 1:
            raise UserError(f"--gpus-per-run {spec.gpus_per_run} needs GPUs, but these runs train on the CPU; omit it.")
        return
    for gpu in spec.gpus:
        if spec.gpus.count(gpu) > 1:
            raise UserError(f"--gpus names GPU {gpu} twice: two runs never share a GPU.")
    if len(spec.gpus) % spec.gpus_per_run:
        names = f"--gpus names {plural(len(spec.gpus), 'GPU')}"
        raise UserError(f"{names}, not a multiple of --gpus-per-run {spec.gpus_per_run}; name whole groups.")
    needed = spec.concurrency * spec.gpus_per_run
    if spec.gpus and needed > len(spec.gpus):
        many = "as many" if spec.gpus_per_run == 1 else f"{needed}"
        raise UserError(
            f"--concurrency {spec.concurrency} needs {many} GPUs, but --gpus names {len(spec.gpus)}: "
            "two runs never share a GPU."
        )


def check_slurm(spec: LoopSpec) -> None:
    """Raise UserError if this machine cannot submit jobs to Slurm, or if the `[slurm]` settings are invalid."""
    slurm = spec.slurm
    if slurm is None:
        return
    if missing := [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]:
        raise UserError(f"--slurm needs Slurm's commands; not on PATH: {', '.join(missing)}.")
    if slurm.time is not None and not slurm.seconds:
        raise UserError(f'[slurm] time cannot be "{slurm.time}": write minutes, or 4:00:00, or 1-12:00:00.')
    for word in slurm.directives:
        name = word.partition("=")[0]
        if not word.startswith("-") or name in OURS_IN_SLURM:
            why = "Auto Loop sets it" if name in OURS_IN_SLURM else 'an option is written as "--mem=64G"'
            raise UserError(f"[slurm] directives holds {word}: {why}.")


def check_hosts(spec: LoopSpec) -> None:
    """Raise UserError if hosts have duplicate or reserved names, or lack the GPUs that a run needs."""
    for host in spec.hosts:
        if host.name in (LOCAL, SLURM) or [each.name for each in spec.hosts].count(host.name) > 1:
            why = "two hosts have it" if host.name not in (LOCAL, SLURM) else "it is reserved"
            raise UserError(f'A [[host]] cannot be named "{host.name}": {why}.')
        if spec.device == "cpu":
            continue
        if len(set(host.gpus)) < len(host.gpus):
            raise UserError(f"[[host]] {host.name} names a GPU twice: two runs never share a GPU.")
        if len(host.gpus) < spec.gpus_per_run:
            raise UserError(
                f"[[host]] {host.name} names {plural(len(host.gpus), 'GPU')}, but a run needs {spec.gpus_per_run}: set "
                "gpus = [0, 1], for example, or train on the CPU with --device cpu."
            )


def check_gpus(spec: LoopSpec, gpus: GpuReport) -> None:
    """Raise UserError if this machine lacks the GPUs."""
    if spec.device == "cpu" or spec.elsewhere:
        return
    if gpus.error and spec.gpus:
        raise UserError(f"No usable GPU here ({gpus.error}); use --device cpu to debug on the CPU.")
    if not spec.gpus:
        raise UserError("No GPU selected: use --gpus 0,1,2,3, or --device cpu to debug on the CPU.")
    present = [gpu.index for gpu in gpus.gpus]
    for gpu in spec.gpus:
        if gpu not in present:
            raise UserError(
                f"There is no GPU {gpu} on this machine, which has {', '.join(map(str, present)) or 'none'}; choose with "
                "--gpus."
            )


def check_wandb(spec: LoopSpec, configs: Sequence[tuple[str, Config]]) -> None:
    if not spec.wandb.online:
        return
    for key, value in (("entity", spec.wandb.entity), ("project", spec.wandb.project)):
        lacking = [source for source, config in configs if wandb_name(config, key) is None]
        if not value and lacking:
            raise UserError(
                f"--wandb-online needs --wandb-{key} (or set it in autoloop.toml under [wandb]): {lacking[0]} names none "
                f"as wandb.{key}."
            )


def check_key(spec: LoopSpec, environment: Mapping[str, str]) -> None:
    """Raise UserError if a W&B key is needed and this machine has none."""
    if spec.wandb.online and key_source(environment) is None:
        raise UserError(
            "--wandb-online needs a W&B key: set WANDB_API_KEY or run `wandb login`; to record offline, omit --wandb-online."
        )
