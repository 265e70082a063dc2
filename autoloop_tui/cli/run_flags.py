"""Conversion of the values typed after `run` into those that a loop is planned from. UserError names the invalid flag."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from autoloop import gpus as gpu_report
from autoloop import secrets
from autoloop.gpus import GpuReport
from autoloop.model import ApprovalMode, ApprovalPolicy, HalveSpec, HostSpec, Sampler, Search, UserError
from autoloop.settings import FILE, Settings
from autoloop.text.names import numbered
from autoloop.text.suggest import did_you_mean
from autoloop.trainers import is_preset_file
from autoloop.wandb_cloud.key import known_secrets

DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
LONGEST = 90 * 24 * 3600
"""The longest time, in seconds, that a round may wait for a person."""
SWITCHES = ("--exec", "--no-ui", "--detach", "--decide", "--wandb-online", "--json")
"""Our flags that take no value. After --extra they would go to the trainer, which is never intended."""


def trainer_arguments(extra: list[str]) -> list[str]:
    """Return the words for the trainer, with secrets replaced by environment variables.

    The secrets are moved into our own environment, which the engine and the trainer's supervisor inherit. Stored and
    displayed commands show only the variable names.
    """
    for word in extra:
        if word in SWITCHES:
            raise UserError(f"{word} comes after --extra and would go to the trainer; put --extra last.")
    words, held = secrets.withheld(extra, known_secrets(os.environ))
    os.environ.update(held)
    return words


def device_of(device: str | None, gpus: str | None) -> str:
    """Return `cuda` or `cpu`. No GPUs (`--gpus ""`) means the CPU, as in earlier versions."""
    if device not in (None, "cpu", "cuda"):
        raise UserError(f"--device {device} is invalid; use cuda or cpu.")
    if device == "cpu" and gpus:
        raise UserError("--device cpu and --gpus contradict each other: omit one.")
    return "cpu" if device == "cpu" or (device is None and gpus == "") else "cuda"


def gpus_of(gpus: str | None, settings: Settings, per_run: int = 1, *, starting: bool = True) -> list[int]:
    """Return GPU indices from `0,1,2,3` or `auto` (the GPUs currently free); by default those of the project's settings."""
    if gpus is None:
        return settings.gpus
    if gpus == "auto":
        try:
            return free_gpus(gpu_report.read_within(), per_run)
        except UserError:
            if starting:
                raise
            return []  # the plan is still shown and reports the problem
    try:
        return [int(part) for part in gpus.split(",") if part.strip()]
    except ValueError:
        raise UserError(f'--gpus cannot be "{gpus}"; give GPU numbers, as in --gpus 0,1,2,3, or auto.') from None


def free_gpus(report: GpuReport, per_run: int) -> list[int]:
    """Return the free GPUs, as many as fill whole slots. UserError if there are too few for one slot."""
    if report.error:
        raise UserError(f"--gpus auto: no usable GPU here ({report.error}); use --device cpu to debug on the CPU.")
    free = [card.index for card in report.gpus if card.users is None]
    whole = free[: len(free) // max(1, per_run) * max(1, per_run)]
    if whole:
        return whole
    users = "; ".join(f"GPU {card.index} is in use by {card.users}" for card in report.gpus if card.users)
    what = f"{len(free)} free, but --gpus-per-run needs {per_run}" if free else "no GPU is free"
    raise UserError(f"--gpus auto: {what} ({users or 'there are no others'}); use --gpus to name the GPUs to wait for.")


def seeds_of(seeds: str | None, replicates: str | None, setting: str | int) -> tuple[str | None, bool]:
    """Return the seeds for each config (None: its own), and whether promising configs are confirmed on fresh seeds.

    `replicates`: auto, 0 or the number of seeds per config; `setting` applies if it is None.
    """
    name, chosen = ("--replicates", replicates) if replicates is not None else (f"{FILE}: replicates", str(setting))
    if chosen == "auto":
        return seeds, True
    if not chosen.isdecimal():
        raise UserError(f'{name} cannot be "{chosen}": use auto, 0, or the number of seeds per config (3).')
    if int(chosen) == 0:
        return seeds, False
    if seeds is not None and replicates is not None:
        raise UserError(f"--replicates {replicates} and --seeds {seeds} both set the seeds of each config: omit one.")
    return seeds or chosen, False


def approval(policy: str) -> ApprovalPolicy:
    """Parse `auto`, `manual` or `after:30m` into a policy. UserError for anything else."""
    if policy in (ApprovalMode.AUTO, ApprovalMode.MANUAL):
        return ApprovalPolicy(mode=ApprovalMode(policy))
    match = DURATION.fullmatch(policy.removeprefix("after:"))
    if not policy.startswith("after:") or not match:
        raise UserError(f'--approve cannot be "{policy}"; use auto, manual or after:30m (s, m or h).')
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 60}[match[2]]
    if seconds > LONGEST:
        raise UserError(f"--approve {policy} is too long; use at most {LONGEST // 3600}h, or manual.")
    return ApprovalPolicy(mode=ApprovalMode.AFTER, after=seconds)


def halve(text: str | None) -> HalveSpec | None:
    """Parse the step of `--halve 600`; 0 for auto. UserError for anything else."""
    if text is None:
        return None
    if text != "auto" and not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise UserError(f'--halve needs a step, as in --halve 600, or auto, not "{text}".')
    return HalveSpec(step=0 if text == "auto" else int(text))


def then(text: str | None) -> int | None:
    """Parse the steps of `extend=200000`. UserError for anything else."""
    if text is None:
        return None
    verb, _, value = text.partition("=")
    if verb != "extend":
        raise UserError(f'--then cannot be "{text}"; {did_you_mean(verb, ["extend"], "use extend=200000.", quote="`")}')
    if not re.fullmatch(r"[1-9]\d{0,17}", value):
        raise UserError(f'--then extend needs the total number of steps, as in extend=200000, not "{value}".')
    return int(value)


def search_of(propose: str | None) -> Search | None:
    """Parse `optuna`, `optuna:gp` … into a search; its space is planned later. UserError for anything else."""
    if propose is None:
        return None
    name, _, sampler = propose.partition(":")
    known = [each.value for each in Sampler]
    if name != "optuna" or (sampler or Sampler.TPE) not in known:
        choices = ", ".join(f"optuna:{each}" for each in known)
        raise UserError(f'--propose cannot be "{propose}"; use optuna, or one of {choices}.')
    return Search(sampler=Sampler(sampler or Sampler.TPE))


def interpreter(cwd: Path, python: str | None) -> str:
    """Return the path of the interpreter. A bare name is looked up as a shell would."""
    if python is None:
        return sys.executable
    found = None if "/" in python else shutil.which(python)
    return found or str(absolute(cwd, python))


def preset_of(cwd: Path, preset: str) -> str:
    """Return the name of a built-in preset, or the absolute path of a preset file."""
    return str(absolute(cwd, preset)) if is_preset_file(preset) else preset


def hosts_of(given: str | None, settings: Settings) -> list[HostSpec]:
    """Return the named hosts, in the order of the settings. UserError for an unknown name."""
    if given is None:
        return []
    known = [host.name for host in settings.host]
    if not known:
        raise UserError("--hosts needs a [[host]] in autoloop.toml, but there is none.")
    names = known if given == "all" else [name.strip() for name in given.split(",")]
    if strange := [name for name in names if name not in known]:
        raise UserError(f"--hosts names {strange[0] or 'nothing'}; autoloop.toml has {', '.join(known)}.")
    return [host for host in settings.host if host.name in names]


def absolute(cwd: Path, path: str) -> Path:
    """Return the absolute path, with `~` expanded and symlinks kept, as a shell would."""
    return Path(os.path.normpath(cwd / os.path.expanduser(path)))


def optional(cwd: Path, path: str | None) -> str | None:
    return None if path is None else str(absolute(cwd, path))


def fresh_folder(folder: Path) -> Path:
    """Return `folder`, or the first of `folder-2`, `folder-3` … that does not exist yet."""
    return next(place for name in numbered(folder.name) if not (place := folder.with_name(name)).exists())


def wandb_place(entity: str | None, project: str | None, settings: Settings) -> tuple[str, str]:
    """Return entity and project from the flags, else from autoloop.toml. UserError if one is missing."""
    entity, project = entity or settings.wandb.entity, project or settings.wandb.project
    for flag, value in (("--entity", entity), ("--project", project)):
        if not value:
            raise UserError(f"Which W&B {flag[2:]}? Give {flag}, or set it in autoloop.toml under [wandb].")
    return entity or "", project or ""
