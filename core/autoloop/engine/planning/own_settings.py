"""What a config itself sets that a loop sets for most trainers: steps, output folder, W&B names.

Trainers name these keys differently. The usual names are known; other keys are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from autoloop.configs.paths import Keys, get, places, split
from autoloop.model import Config, LoopSpec, UserError
from autoloop.profiles import METHODS, markdown_name, methods_of
from autoloop.settings import report_file
from autoloop.trainers import Preset, passes, passes_steps

STEPS = (
    "total_timesteps",
    "total_iterations",
    "steps",
    "max_steps",
    "num_steps",
    "total_steps",
    "train_steps",
    "num_train_steps",
    "max_train_steps",
    "max_iters",
    "num_iterations",
    "max_iterations",
)
FOLDERS = frozenset({"output_dir", "out_dir", "save_dir", "run_dir", "work_dir", "workdir", "default_root_dir"})


def own_steps(config: Config, path: str = "") -> int | None:
    """The number of steps that the config sets: at `path`, or else at its top level or one level below; None if it sets
    none."""
    place = steps_place(config, path)
    value = get(config, place) if place else None
    return value if isinstance(value, int) else None


def steps_place(config: Config, path: str = "") -> Keys | None:
    """The keys under which the config sets its number of steps, or None."""
    if path:
        found = places(config, split(path))
        return found[0] if found and _counts(get(config, found[0])) else None
    blocks: list[tuple[Keys, Config]] = [((), config)]
    blocks += [((key,), value) for key, value in config.items() if isinstance(value, dict)]
    named = ((*keys, key) for keys, block in blocks for name in STEPS for key in block if key.replace("-", "_") == name)
    return next((place for place in named if _counts(get(config, place))), None)


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def steps_of(preset: Preset, config: Config, steps: int) -> int:
    """The number of steps of a run of `config`: --steps if the preset passes it on, otherwise the config's own number, or
    else --steps."""
    return steps if passes_steps(preset) else own_steps(config, preset.steps) or steps


def steps_assumed(preset: Preset, config: Config) -> bool:
    """Whether neither the preset's command nor `config` sets the number of steps."""
    return not passes_steps(preset) and own_steps(config, preset.steps) is None


def with_own_wandb(spec: LoopSpec, configs: Sequence[Config]) -> LoopSpec:
    """`spec` with the configs' W&B entity and project, each if neither flags nor settings set it and the configs agree."""
    wandb = spec.wandb
    if not wandb.online or not configs:
        return spec
    for key in ("entity", "project"):
        named = {wandb_name(config, key) for config in configs}
        if getattr(wandb, key) is None and len(named) == 1:
            wandb = msgspec.structs.replace(wandb, **{key: named.pop()})
    return msgspec.structs.replace(spec, wandb=wandb)


def with_own_methods(spec: LoopSpec, configs: Iterable[Config]) -> LoopSpec:
    """`spec` with the methods that apply to any of the configs and, if it has no report file, one named after them."""
    found = {method for config in configs for method in methods_of(config)}
    methods = [method for method in METHODS if method in found]
    report = spec.markdown_out or str(report_file(Path(spec.cwd), markdown_name(methods)))
    return msgspec.structs.replace(spec, methods=methods, markdown_out=report)


def wandb_name(config: Config, key: str) -> str | None:
    block = config.get("wandb")
    value = block.get(key) if isinstance(block, dict) else None
    return value if isinstance(value, str) and value else None


def check_own_folders(preset: Preset, spec: LoopSpec, configs: Sequence[tuple[str, Config]]) -> None:
    """Raise UserError if the trainer takes its folder from the config and runs would overwrite each other.

    `configs`: the source and the values of each config.
    """
    if passes(preset, "output_dir"):
        return
    advice = "pass {output_dir} in the preset, or give each config its own folder"
    writers: dict[frozenset[tuple[str, str]], str] = {}
    for source, config in configs:
        folders = frozenset(_folders(config))
        if not folders:
            continue
        where = ", ".join(f"{key} {folder}" for key, folder in sorted(folders))
        if folders in writers:
            raise UserError(f"{writers[folders]} and {source} would both write to {where}; {advice}.")
        if spec.rounds > 1:
            raise UserError(f"The variants of {source} would write to its output folder {where}; {advice}.")
        writers[folders] = source


def _folders(node: object) -> Iterator[tuple[str, str]]:
    for key, child in node.items() if isinstance(node, dict) else ():
        if key in FOLDERS and isinstance(child, str):
            yield key, os.path.normpath(child)
        else:
            yield from _folders(child)
