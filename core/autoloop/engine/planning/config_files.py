"""The configs that a loop is given as files, with the dataset block of --inherit-dataset-from in place of their own."""

from __future__ import annotations

from pathlib import Path

from autoloop.configs import Config, parse_config
from autoloop.files import read_text
from autoloop.model import LoopSpec, UserError


def read_config(source: str, dataset: object | None) -> Config:
    """The config in a file, with `dataset` for its own block. UserError if it cannot be read."""
    return config_in(read_text(Path(source), "config"), source, dataset)


def config_in(text: str, source: str, dataset: object | None) -> Config:
    """The config in the text of `source`, with `dataset` for its own block. UserError says what is wrong with it."""
    config = parse_config(text, source)
    return config if dataset is None else {**config, "dataset": dataset}


def dataset_of(spec: LoopSpec) -> object | None:
    """The dataset block of --inherit-dataset-from. UserError if that file cannot be read or has none."""
    if spec.inherit_dataset_from is None:
        return None
    source = spec.inherit_dataset_from
    config = parse_config(read_text(Path(source), "config"), source)
    if "dataset" not in config:
        raise UserError(f"--inherit-dataset-from: {source} has no `dataset` block to take over.")
    dataset: object = config["dataset"]
    return dataset
