"""Parse TOML configs into JSON data, and change them with tomlkit, which keeps comments and layout."""

from __future__ import annotations

import math
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from autoloop.configs.json_rewriting import exactly
from autoloop.configs.paths import Keys, written
from autoloop.configs.text import MAX_DEPTH, depth
from autoloop.model import Config, UserError
from autoloop.toml import TomlError, read_toml


def parse_toml(text: str, source: str) -> Config:
    """The config in `text`; dates and times become strings. Raises UserError like `formats.parse_config`."""
    try:
        table = read_toml(text)
    except TomlError as error:
        raise UserError(f"{source}: invalid TOML ({error}).") from None
    if depth(table) > MAX_DEPTH:
        raise UserError(f"{source}: it is nested deeper than {MAX_DEPTH} levels; make it flatter.")
    config: Config = _data(table, (), source)
    return config


def _data(value: Any, keys: Keys, source: str) -> Any:
    if isinstance(value, dict):
        return {key: _data(child, (*keys, key), source) for key, child in value.items()}
    if isinstance(value, list):
        return [_data(child, (*keys, index), source) for index, child in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{source}: {written(keys)} = {value} is not allowed in a config; use a finite number.")
    # The only other TOML types are dates and times.
    return value if isinstance(value, str | int | float) else value.isoformat()


def rewrite_toml(text: str, wanted: Config) -> str:
    """The TOML text `text`, changed so that it parses as `wanted`. UserError for a null, which TOML cannot express."""
    if why := why_not_toml(wanted):
        raise UserError(why)
    text = text.removeprefix("\ufeff")
    before = parse_toml(text, "config")
    if exactly(before, wanted):
        return text
    try:
        document = tomlkit.parse(text)
        _change(document, before, wanted)
        result = tomlkit.dumps(document)
        if exactly(parse_toml(result, "config"), wanted):
            return result
    except (TOMLKitError, UserError, KeyError, IndexError, TypeError, ValueError):
        pass  # tomlkit cannot change this layout: rewrite the file, without its comments
    return tomlkit.dumps(wanted)


def why_not_toml(config: Config) -> str | None:
    """Why TOML cannot express `config`; None if it can."""
    place = _null(config, ())
    if place is None:
        return None
    return f"{written(place)} cannot be null, because TOML has no null; delete the key ({written(place)}@del)."


def _change(container: Any, before: Any, wanted: Any) -> None:
    """Change `container` from `before` to `wanted`, which are of the same kind."""
    places = list(before) if isinstance(before, dict) else range(len(before))
    for key in places:
        if isinstance(before, dict) and key not in wanted:
            del container[key]
        elif exactly(before[key], wanted[key]):
            continue
        elif _alike(before[key], wanted[key]):
            _change(container[key], before[key], wanted[key])
        else:
            container[key] = wanted[key]
    if isinstance(before, dict):
        for key in wanted:
            if key not in before:
                container[key] = wanted[key]


def _alike(before: Any, wanted: Any) -> bool:
    if isinstance(before, dict) and isinstance(wanted, dict):
        return True
    return isinstance(before, list) and isinstance(wanted, list) and len(before) == len(wanted)


def _null(value: Any, keys: Keys) -> Keys | None:
    if value is None:
        return keys
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((place for key, child in items if (place := _null(child, (*keys, key)))), None)
