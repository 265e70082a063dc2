"""Converts a run's config as stored by W&B to the config that the trainer accepts. No I/O.

W&B wraps every value, adds its own keys, and does not preserve number types: `10.0` comes back as `10`, and an int may come
back as `8.0`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autoloop.configs import Config, FieldTypes
from autoloop.configs.text import MAX_DEPTH, depth, is_number
from autoloop.model import UserError


def trainer_config(raw: Mapping[str, Any], fields: FieldTypes, like: Config | None = None) -> Config:
    """Return the trainer's config: without W&B's wrappers and top-level keys that begin with `_`, and with dotted keys
    nested. Numbers get the type that they have in `like`, and integer fields get ints.

    Only top-level keys are treated this way: deeper down, `observation.state` is a name and `_target_` a setting. Raises
    UserError if two keys map to the same place, and for configs that no trainer can have had.
    """
    if depth(dict(raw)) > MAX_DEPTH:
        raise UserError(f"The run's config on W&B is nested deeper than {MAX_DEPTH} levels, which no trainer's is.")
    try:
        return _trainer_config(raw, fields, like)
    except OverflowError:
        raise UserError("The run's config on W&B contains a number that is too large.") from None


def _trainer_config(raw: Mapping[str, Any], fields: FieldTypes, like: Config | None) -> Config:
    config: Config = {}
    for key, value in raw.items():
        if key.startswith("_"):
            continue
        if isinstance(value, Mapping) and "value" in value and value.keys() <= {"value", "desc"}:
            value = value["value"]
        _place(config, key, value)
    if like is not None:
        config = _like(config, like)
    fitted: Config = fields.fitted((), config)[0]
    return fitted


def file_name(run_id: str) -> str:
    """Return `fromwandb_<id>.json`, with the id sanitised so that it never leads to another folder."""
    return f"fromwandb_{re.sub(r'[^A-Za-z0-9._-]', '_', run_id)[:100]}.json"


def _place(config: Config, key: str, value: Any) -> None:
    names = key.split(".") if all(key.split(".")) else [key]
    node = config
    for name in names[:-1]:
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise UserError(f"The run's config has both {name} as a value and {key} below it; fix it by hand.")
    last = names[-1]
    if isinstance(node.get(last), dict) and isinstance(value, dict):
        for name, below in value.items():
            node[last].setdefault(name, below)
    elif last in node:
        raise UserError(f"The run's config has {key} twice, as a dotted and as a nested key; fix it by hand.")
    else:
        node[last] = value


def _like(value: Any, reference: Any) -> Any:
    if isinstance(value, dict) and isinstance(reference, dict):
        return {key: _like(child, reference[key]) if key in reference else child for key, child in value.items()}
    if isinstance(value, list) and isinstance(reference, list) and reference:
        # Elements are of one kind: surplus ones are converted like the last of the reference.
        return [_like(child, reference[min(i, len(reference) - 1)]) for i, child in enumerate(value)]
    if is_number(value) and is_number(reference):
        if isinstance(reference, float):
            return float(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
    return value
