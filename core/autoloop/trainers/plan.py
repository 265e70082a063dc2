"""Fills in a preset for one attempt: argv, environment, working directory. Pure, apart from file checks."""

from __future__ import annotations

import functools
import os
import re
import shlex
import tomllib
from collections.abc import Collection, Mapping
from importlib import resources

import msgspec

from autoloop.model import Config, UserError, WandbSpec
from autoloop.model.structs import convert
from autoloop.secrets import shown_value
from autoloop.trainers.overrides import flag, override_words, plain_key, text_value
from autoloop.trainers.presets import PLACEHOLDER, Preset, passes, passes_seed
from autoloop.trainers.programs import program_path


class LaunchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt to plan. Paths are absolute; `config` is the frozen copy that the trainer reads."""

    python: str
    script: str | None = None
    config: str
    values: Config | None = None
    """The contents of `config`, for a preset that passes values as overrides."""
    seed: str = ""
    """The value of the config's seed; empty if it has none."""
    output_dir: str
    cwd: str
    steps: int
    log_freq: int
    eval_freq: int
    device: str
    gpus: tuple[int, ...] | None = ()
    """CUDA indices of the slot; empty on a CPU slot, which then sees no GPU; None if its place assigns them."""
    processes: int = 0
    """The number of processes; 0: one per GPU in `gpus`."""
    run_id: str
    name: str
    group: str
    """W&B group: `<loop>-r<round>`."""
    wandb: WandbSpec = WandbSpec()
    extra: tuple[str, ...] = ()
    resume: bool = False
    """Resume from the last checkpoint in `output_dir`, up to `steps` in total."""


class LaunchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The command to execute. `env` has only variables set on purpose, never secrets; `unset` names those to remove."""

    argv: tuple[str, ...]
    env: dict[str, str]
    unset: tuple[str, ...]
    python_path: tuple[str, ...]
    cwd: str
    output_dir: str
    make_output_dir: bool
    """Whether the trainer expects it to exist; otherwise it must not be created before the start."""
    stop: tuple[tuple[str, float], ...]
    straggler_grace: float

    def command_line(self, base: Mapping[str, str]) -> str:
        """Return a line that, pasted into a shell with the environment `base`, runs the same command. Secrets of the preset
        are masked; those of `base` are inherited and not shown."""
        env = environment(self, base)
        gone = [word for name in sorted(base.keys() - env.keys()) for word in ("-u", name)]
        told = [f"{name}={shown_value(name, value)}" for name, value in env.items() if base.get(name) != value]
        made = f"mkdir -p {shlex.quote(self.output_dir)} && " if self.make_output_dir else ""
        return f"cd {shlex.quote(self.cwd)} && {made}{shlex.join(['env', *gone, *told, *self.argv])}"


def plan_launch(preset: Preset, request: LaunchRequest) -> LaunchPlan:
    """Plan one attempt.

    Raises UserError if the preset needs a script or a seed, rejects an extra argument or cannot resume.
    """
    given = _given_keys(preset, request.extra)
    if not request.seed and passes_seed(preset, given):
        raise UserError(
            f"The preset {preset.name} passes {{seed}}, but the config has no number as its seed: add one to the config, "
            'name its key with seed = "KEY" in the preset, or write a number in place of {seed}.'
        )
    values = _values(preset, request)
    argv: list[str] = []
    for word in preset.argv:
        argv += _script(preset, request) if word == "{script}" else [_fill(word, values) or ""]
    argv[0] = program_path(argv[0], request.python)
    flags, extra = preset.flags, list(request.extra)
    replaced: set[str] = set()
    if request.resume:
        if preset.resume is None:
            raise UserError(f"The preset {preset.name} does not say how its trainer resumes.")
        replaced = {*preset.resume.flags, *preset.resume.without}
        argv, extra = _without(preset, argv, replaced), _without(preset, extra, replaced)
        given -= replaced
        flags = {key: value for key, value in flags.items() if key not in replaced} | preset.resume.flags
    mode_given = bool(given.intersection(preset.wandb.unless))
    wandb = {} if mode_given else preset.wandb.online if request.wandb.online else preset.wandb.offline
    for key, template in {**flags, **wandb}.items():
        value = _fill(template, values)
        if value is not None and key not in given:
            argv += flag(preset, key, text_value(preset, value))
    if preset.config != "file":
        argv += override_words(preset, request.values or {}, {*preset.flags, *wandb, *given, *replaced})
    argv += extra

    shared = _environment_tables()
    mode = {} if mode_given else shared.online if request.wandb.online else shared.offline
    filled = {key: _fill(template, values) for key, template in {**shared.always, **mode, **preset.env}.items()}
    env = {key: value for key, value in filled.items() if value is not None}
    named = passes(preset, "config_name") or any(request.config in word for word in (*argv, *env.values()))
    if preset.config != "overrides" and not request.resume and not named:
        raise UserError(
            f"With --extra {' '.join(request.extra)} no config would reach the trainer, because it replaces the "
            f"{{config}} that the preset {preset.name} passes: omit that argument."
        )
    return LaunchPlan(
        argv=tuple(argv),
        env=env,
        unset=tuple(name for name in (*shared.unset, *preset.unset) if name not in env),
        python_path=tuple(os.path.join(request.cwd, folder) for folder in preset.python_path),
        cwd=request.cwd,
        output_dir=request.output_dir,
        make_output_dir=preset.output_dir == "must-exist",
        stop=preset.stop,
        straggler_grace=preset.straggler_grace,
    )


def checkpoint_path(preset: Preset, output_dir: str) -> str | None:
    """Return the path of the last checkpoint in `output_dir`; None if the preset does not define how to resume."""
    return preset.resume.checkpoint.replace("{output_dir}", output_dir) if preset.resume else None


def environment(plan: LaunchPlan, base: Mapping[str, str]) -> dict[str, str]:
    """Return the attempt's complete environment: `base` without unset variables and empty WANDB_*, plus those of the plan.

    Its only disk access checks whether the folders of `python_path` exist.
    """
    # For example, an empty WANDB_SILENT makes wandb.init raise an exception.
    env = {
        key: value
        for key, value in base.items()
        if key not in plan.unset and not (key.startswith("WANDB_") and not value.strip())
    }
    env |= plan.env
    if folders := [folder for folder in plan.python_path if os.path.isdir(folder)]:
        env["PYTHONPATH"] = os.pathsep.join([*folders, *filter(None, [env.get("PYTHONPATH")])])
    return env


class _EnvironmentTables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unset: tuple[str, ...]
    always: dict[str, str]
    offline: dict[str, str]
    online: dict[str, str]


@functools.cache
def _environment_tables() -> _EnvironmentTables:
    text = (resources.files("autoloop.trainers") / "environment.toml").read_text(encoding="utf-8")
    return convert(tomllib.loads(text), _EnvironmentTables)


def _values(preset: Preset, request: LaunchRequest) -> dict[str, str | None]:
    return {
        "python": request.python,
        "config": request.config,
        "config_dir": os.path.dirname(request.config),
        "config_name": os.path.splitext(os.path.basename(request.config))[0],
        "output_dir": request.output_dir,
        "cwd": request.cwd,
        "steps": str(request.steps),
        "log_freq": str(request.log_freq),
        "eval_freq": str(request.eval_freq),
        "device": request.device,
        "gpus": None if request.gpus is None else ",".join(map(str, request.gpus)),
        "processes": str(request.processes or len(request.gpus or ()) or preset.processes),
        "run_id": request.run_id,
        "name": request.name,
        "group": request.group,
        "entity": request.wandb.entity,
        "project": request.wandb.project,
        "seed": request.seed or None,
    }


def _script(preset: Preset, request: LaunchRequest) -> list[str]:
    if script := request.script or preset.script:
        return [script]
    if preset.module:
        return ["-m", preset.module]
    raise UserError(f"The preset {preset.name} has no training script; name one with --train-script.")


def _fill(template: str, values: Mapping[str, str | None]) -> str | None:
    """Replace the placeholders of a template; None if one of them has no value."""
    if any(values[name] is None for name in PLACEHOLDER.findall(template)):
        return None
    return PLACEHOLDER.sub(lambda match: values[match[1]] or "", template)


def _given_keys(preset: Preset, extra: tuple[str, ...]) -> set[str]:
    """Return the keys set by the extra arguments, which replace the preset's flags."""
    if extra and preset.override_style == "file-only":
        raise UserError(f"The preset {preset.name} takes no arguments beside its config: leave out --extra.")
    given = {key for word in extra if (key := _key(preset, word))}
    plain = {plain_key(key) for key in given}
    for key in preset.reserved:
        if plain_key(key) in plain:
            raise UserError(f"--extra gives {key}, which the tool itself sets for every attempt: leave it out.")
    return given


def _key(preset: Preset, word: str) -> str | None:
    """Return the key that a word of a command sets; None if it sets none."""
    undashed = preset.override_style in ("hydra", "key-value")
    match = re.match(r"[+~]*([\w.\-/@]+)=" if undashed else r"--([\w.\-]+)", word)
    return match[1] if match else None


def _without(preset: Preset, words: list[str], keys: Collection[str]) -> list[str]:
    """Return `words` without those that set one of `keys`, and without values that are separate words."""
    kept: list[str] = []
    value_follows = False
    for word in words:
        key = _key(preset, word)
        if key in keys:
            value_follows = preset.override_style == "dashed-space" and "=" not in word
            continue
        if key is not None or not value_follows:
            kept.append(word)
        value_follows = False
    return kept
