"""Apply changes to configs, compute them, and decide whether two configs are the same training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from autoloop.configs.paths import DELETED, Keys, copied, exists, get, key_of, put, split, without_deleted, written
from autoloop.configs.text import is_number
from autoloop.model import Change, Config, UserError

OBSERVING = frozenset({"output_dir", "wandb", "job_name", "log_freq", "eval_freq", "env_eval_freq"})
"""Top-level keys that only name or observe a training; they are not part of the hash."""


def apply(config: Config, changes: Iterable[Change]) -> Config:
    """A copy of `config` with the changes applied. Missing parents of a created key are created.

    `before` is not compared: callers use the config hash to check that the base is unchanged. Raises UserError if a place
    that must exist is missing.
    """
    result: Config = copied(config)
    removed: list[Keys] = []
    for change in changes:
        keys = _place(result, change.path)
        if not change.created and not exists(result, keys):
            raise UserError(f"{change.path} cannot be changed, because this config does not have it; write the edit again.")
        if change.removed:
            removed.append(keys)
            continue
        try:
            put(result, keys, copied(change.after))
        except (KeyError, IndexError, TypeError, AttributeError):
            raise UserError(f"{change.path} cannot be created: its parent is not a block.") from None
    for keys in removed:  # last and all together, because every index refers to the config before the changes
        get(result, keys[:-1])[keys[-1]] = DELETED
    return without_deleted(result) if removed else result


def _place(config: Config, path: str) -> Keys:
    """The place that a written path names: a number is an index inside a list, otherwise a key."""
    keys: list[str | int] = []
    node: Any = config
    for segment in split(path):
        key: str | int = int(segment) if isinstance(node, list) and segment.isdecimal() else key_of(segment)
        keys.append(key)
        node = get(node, (key,)) if exists(node, (key,)) else None
    return tuple(keys)


def diff(a: Config, b: Config) -> list[Change]:
    """The changes from `a` to `b`, in the order of `a`, followed by the keys that `b` adds.

    Blocks are compared key by key, lists of equal length element by element. If a list only lost elements, the changes
    remove those; other lists are compared as a whole. Added keys are `created`, missing ones `removed`. 10 and 10.0 are
    equal. Applying the changes to `a` gives a config equal to `b`.
    """
    return _diff((), a, b)


def _diff(keys: Keys, a: Any, b: Any) -> list[Change]:
    if isinstance(a, dict) and isinstance(b, dict):
        changes: list[Change] = []
        for key, value in a.items():
            if key in b:
                changes += _diff((*keys, key), value, b[key])
            else:
                changes.append(_lost((*keys, key), value))
        return changes + [
            Change(path=written((*keys, key)), before=None, after=copied(value), created=True)
            for key, value in b.items()
            if key not in a
        ]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [change for i, (x, y) in enumerate(zip(a, b, strict=True)) for change in _diff((*keys, i), x, y)]
    if isinstance(a, list) and isinstance(b, list) and (lost := _lost_elements(a, b)):
        return [_lost((*keys, i), a[i]) for i in lost]
    return [] if same(a, b) else [Change(path=written(keys), before=copied(a), after=copied(b))]


def _lost(keys: Keys, value: Any) -> Change:
    return Change(path=written(keys), before=copied(value), after=None, removed=True)


def _lost_elements(a: list[Any], b: list[Any]) -> list[int]:
    """The indices in `a` of the elements that `b` lacks, if `b` is `a` without some elements; otherwise none."""
    lost: list[int] = []
    kept = 0
    for index, value in enumerate(a):
        if kept < len(b) and same(value, b[kept]):
            kept += 1
        else:
            lost.append(index)
    return lost if kept == len(b) else []


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal: 10 and 10.0 are, 1 and true are not."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) and is_number(a) == is_number(b)


def config_hash(config: Config, extra: Sequence[str] = ()) -> str:
    """16 hex characters that identify a training: its config and the trainer's `extra` arguments.

    The hash ignores the order of keys, the difference between 10 and 10.0, and keys or arguments that only name or observe a
    run (OBSERVING). Raises UserError for NaN or Infinity.
    """
    training = {key: value for key, value in config.items() if key not in OBSERVING}
    data = {"config": _canonical(training), "extra": _training_arguments(extra)}
    try:
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"The config cannot be compared ({error}); use finite numbers and texts.") from None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_canonical(child) for child in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _training_arguments(extra: Sequence[str]) -> list[str]:
    """The arguments that change the training, without `--wandb.mode=x` or `--log_freq 50` (with its value)."""
    kept: list[str] = []
    skipping_value = False
    for argument in extra:
        if skipping_value and not argument.startswith("-"):
            skipping_value = False
            continue
        name, equals, _ = argument.lstrip("-").partition("=")
        observes = argument.startswith("-") and name.split(".")[0] in OBSERVING
        skipping_value = observes and not equals
        if not observes:
            kept.append(argument)
    return kept
