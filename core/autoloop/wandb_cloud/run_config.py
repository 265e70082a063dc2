"""A run's config as W&B keeps it -> the config that the trainer takes. No I/O.

W&B wraps every value, adds keys of its own, and forgets types: `10.0` comes back as `10`, a whole number may come back
as `8.0`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autoloop.configs import Config, FieldTypes
from autoloop.configs.text import MAX_DEPTH, depth, is_number
from autoloop.model import UserError


def trainer_config(raw: Mapping[str, Any], fields: FieldTypes, like: Config | None = None) -> Config:
    """The config in `raw`: W&B's wrappers and keys beginning with `_` gone, dotted keys nested, numbers of the type that
    `like` has in the same place, and whole in integer fields.

    Only keys at the top are W&B's: further in, `observation.state` is a name and `_target_` a setting. UserError where
    two keys want the same place, and for what no trainer was configured with.
    """
    if depth(dict(raw)) > MAX_DEPTH:
        raise UserError(f"The run's config on W&B is nested deeper than {MAX_DEPTH} levels, which no trainer's is.")
    try:
        return _trainer_config(raw, fields, like)
    except OverflowError:
        raise UserError("The run's config on W&B holds a number that is too large.") from None


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
    """`fromwandb_<id>.json`, whatever the id holds: it names a file and never another folder."""
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
        # Elements are alike: one that the reference lacks is as its last.
        return [_like(child, reference[min(i, len(reference) - 1)]) for i, child in enumerate(value)]
    if is_number(value) and is_number(reference):
        if isinstance(reference, float):
            return float(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
    return value
