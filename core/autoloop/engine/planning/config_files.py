"""Reads the configs of a loop: files, or the base of the preset, as the trainer would see them.

The dataset block of --inherit-dataset-from replaces their own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from autoloop.configs import Config, dump_config, parse_config, suffix_of
from autoloop.configs.formats import JSON, YAML
from autoloop.files import read_text
from autoloop.model import LoopSpec, UserError
from autoloop.toml import SETTINGS_FILE
from autoloop.trainers import Preset
from autoloop.trainers.dump import dumped
from autoloop.variants.axes import parse_grid
from autoloop.variants.grids import points
from autoloop.variants.policy import VariantPolicy


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A given config. `source`: its file or, for the base of a preset, the preset's file."""

    source: str
    name: str
    """The name of a run of this config."""
    text: str
    suffix: str
    """The file suffix for the format of `text`."""
    config: Config


def sources_of(spec: LoopSpec, preset: Preset) -> list[str]:
    """The files of the loop's configs, or the base of the preset if none are given. Raises UserError if there is no base."""
    if spec.configs:
        return spec.configs
    if isinstance(preset.base, str):
        return [os.path.join(spec.cwd, preset.base)]
    if preset.base is None and not (preset.dump and not preset.dumps_a_file):
        raise UserError(
            "No config given: name at least one after --cfgs, or run `autoloop-tui init -- <your command>` to set a base "
            "in [trainer]."
        )
    return [spec.preset]


def read_source(source: str, spec: LoopSpec, preset: Preset, dataset: object | None) -> SourceConfig:
    """The config of one of `sources_of`, with `dataset` (if given) in place of its own dataset block. Raises UserError if it
    cannot be read or dumped."""
    suffix: str | None = None  # None: from the file name
    if not spec.configs and source == spec.preset:
        text, suffix = _text_of_base(spec, preset)
    else:
        text = read_text(Path(source), "config")
        if preset.dumps_a_file:
            parse_config(text, source)  # reports errors better than the trainer would
            text = dumped(preset, spec.python, spec.cwd, spec.device, script=spec.train_script, config=source)
            suffix = _format_of_dump(text)
    config = parse_config(text, source, suffix)
    config = config if dataset is None else {**config, "dataset": dataset}
    name = "base" if Path(source).name == SETTINGS_FILE else Path(source).stem
    return SourceConfig(source=source, name=name, text=text, suffix=suffix or suffix_of(source), config=config)


def expanded(read: Sequence[SourceConfig], spec: LoopSpec, policy: VariantPolicy) -> list[SourceConfig]:
    """The configs, or the variants that the loop's grid and seeds make of each. Raises UserError, naming the wrong flag."""
    if not spec.grid and spec.seeds is None:
        if spec.zip:
            raise UserError("--zip needs --grid: add it, or omit --zip.")
        return list(read)
    grid = parse_grid(spec.grid, spec.seeds, zipped=spec.zip)
    made = []
    for given in read:
        before = f"{given.name}," if len(read) > 1 else ""
        for point in points(given.config, grid, policy, seed=policy.seed, suffix=given.suffix):
            made.append(msgspec.structs.replace(given, name=f"{before}{point.name}", config=point.config))
    return made


def with_base(spec: LoopSpec, preset: Preset, read: Sequence[SourceConfig] = ()) -> Preset:
    """`preset` with the values of its base, as the trainer sees them. Raises UserError if they cannot be read or dumped.

    `read`: the loop's configs. If none were given, the base is among them, so the trainer need not be called twice.
    """
    if not preset.passes_changes_only or isinstance(preset.base, dict):
        return preset
    if preset.base is None and preset.dumps_a_file:
        raise UserError(f"The preset {preset.name} passes only changes to its base, which is a dumped file: set it as base.")
    if read and not spec.configs and spec.inherit_dataset_from is None:
        return msgspec.structs.replace(preset, base=read[0].config)
    given = msgspec.structs.replace(spec, configs=[])
    (source,) = sources_of(given, preset)
    return msgspec.structs.replace(preset, base=read_source(source, given, preset, None).config)


def _text_of_base(spec: LoopSpec, preset: Preset) -> tuple[str, str]:
    if isinstance(preset.base, dict):
        return dump_config(preset.base), JSON
    text = dumped(preset, spec.python, spec.cwd, spec.device, script=spec.train_script)
    return text, _format_of_dump(text)


def _format_of_dump(text: str) -> str:
    return JSON if text.lstrip().startswith("{") else YAML[0]


def dataset_of(spec: LoopSpec) -> object | None:
    """The dataset block of --inherit-dataset-from. Raises UserError if that file cannot be read or has none."""
    if spec.inherit_dataset_from is None:
        return None
    source = spec.inherit_dataset_from
    config = parse_config(read_text(Path(source), "config"), source)
    if "dataset" not in config:
        raise UserError(f"--inherit-dataset-from: {source} has no `dataset` block to inherit.")
    dataset: object = config["dataset"]
    return dataset
