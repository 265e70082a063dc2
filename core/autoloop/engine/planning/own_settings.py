"""What a config itself says of matters that the loop settles for most trainers: steps, output folder, W&B's names.

Trainers name these keys differently, so those of the usual ones are known; a key that is not is passed over.
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
    """The number of steps that the config asks for: at `path`, else at its top or in a block right below."""
    place = steps_place(config, path)
    value = get(config, place) if place else None
    return value if isinstance(value, int) else None


def steps_place(config: Config, path: str = "") -> Keys | None:
    """Where that number stands; None where there is none."""
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
    """How far a run of `config` goes: --steps where the preset passes it on, else what the config itself says."""
    return steps if passes_steps(preset) else own_steps(config, preset.steps) or steps


def steps_assumed(preset: Preset, config: Config) -> bool:
    """Whether neither the preset's command nor `config` says how far a run goes."""
    return not passes_steps(preset) and own_steps(config, preset.steps) is None


def with_own_wandb(spec: LoopSpec, configs: Sequence[Config]) -> LoopSpec:
    """`spec` with the W&B entity and project of the configs where neither flags nor settings name one and they agree."""
    wandb = spec.wandb
    if not wandb.online or not configs:
        return spec
    for key in ("entity", "project"):
        named = {wandb_name(config, key) for config in configs}
        if getattr(wandb, key) is None and len(named) == 1:
            wandb = msgspec.structs.replace(wandb, **{key: named.pop()})
    return msgspec.structs.replace(spec, wandb=wandb)


def with_own_methods(spec: LoopSpec, configs: Iterable[Config]) -> LoopSpec:
    """`spec` with the methods that apply to any of the configs, and unless it has one, a report named after them."""
    found = {method for config in configs for method in methods_of(config)}
    methods = [method for method in METHODS if method in found]
    report = spec.markdown_out or str(report_file(Path(spec.cwd), markdown_name(methods)))
    return msgspec.structs.replace(spec, methods=methods, markdown_out=report)


def wandb_name(config: Config, key: str) -> str | None:
    block = config.get("wandb")
    value = block.get(key) if isinstance(block, dict) else None
    return value if isinstance(value, str) and value else None


def check_own_folders(preset: Preset, spec: LoopSpec, configs: Sequence[tuple[str, Config]]) -> None:
    """Refuse runs that would write over each other, where the trainer takes its folder from its config. UserError.

    `configs`: what each was read from, and its values.
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
