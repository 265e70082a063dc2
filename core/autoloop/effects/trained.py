"""Finished runs, and the configs that they trained: runs that differ only in the seed have the same config."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoloop.configs.changes import OBSERVING
from autoloop.configs.paths import Keys, written
from autoloop.configs.text import is_number
from autoloop.model import Summary

NAMING = frozenset(
    {"checkpoint_dir", "default_root_dir", "exp_name", "experiment_name", "log_dir", "logdir", "logging_dir", "out_dir"}
    | {"run_id", "run_name", "save_dir"}
)
"""Keys at any depth that only name a training or its folder."""

Leaves = Mapping[str, Any]
"""The values of a config by their written paths."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished run. `cohort`: equal for runs of the same trainer and length. `seed`: the path of the seed in its config,
    empty if it has none."""

    id: str
    name: str
    config: Mapping[str, Any]
    cohort: Hashable
    seed: str
    summary: Summary


@dataclass(frozen=True)
class Config:
    """A config without its seed and names, and the runs that trained it, earliest first."""

    leaves: Leaves
    runs: Sequence[TrainedRun]

    def seed_of(self, run: TrainedRun) -> str:
        """The seed of the run as text; empty if it has none."""
        found = [value for path, value in _leaves((), run.config) if path == run.seed]
        return str(found[0]) if found else ""


def configs_of(runs: Sequence[TrainedRun]) -> list[Config]:
    """The configs of runs of one cohort, in the order of their first runs."""
    found: dict[tuple[tuple[str, Hashable], ...], tuple[Leaves, list[TrainedRun]]] = {}
    for run in runs:
        leaves = {path: value for path, value in _leaves((), run.config) if path != run.seed and not _only_names(path)}
        key = tuple((path, comparable(leaves[path])) for path in sorted(leaves))
        found.setdefault(key, (leaves, []))[1].append(run)
    return [Config(leaves, members) for leaves, members in found.values()]


def comparable(value: Any) -> Hashable:
    """A hashable form of a JSON value, equal for equal values: 10 and 10.0 are equal, 1 and true are not."""
    if is_number(value):
        return "number", float(value) if abs(value) < 2**53 else value
    return type(value).__name__, value if isinstance(value, str | bool | None) else json.dumps(value, sort_keys=True)


def _leaves(keys: Keys, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _leaves((*keys, key), below)
    elif isinstance(value, list) and value and any(isinstance(each, dict | list) for each in value):
        for index, below in enumerate(value):
            yield from _leaves((*keys, index), below)
    elif keys:
        yield written(keys), value


def _only_names(path: str) -> bool:
    parts = path.split(".")
    return parts[0] in OBSERVING or parts[-1] in NAMING
