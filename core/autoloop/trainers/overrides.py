"""Formats a config's values as command-line words in the trainer's style."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from autoloop.configs import Config, same
from autoloop.configs.text import dump_value
from autoloop.model import UserError
from autoloop.secrets import secret_keys
from autoloop.trainers.presets import Preset

_KEY = re.compile(r"[+~]*[\w./@-]+")
_HYDRA_PLAIN = re.compile(r"[\w/+.%*@?|-]+|\$\{[\w.]+\}", re.ASCII)
"""Values that Hydra's grammar accepts without quotes."""
_TYPED = re.compile(
    r"[-+]?(\d[\d_]*\.?\d*|\.\d+)(e[-+]?\d+)?|nan|[-+]?inf|true|false|null|none|yes|no|on|off|~", re.IGNORECASE
)
"""Strings that would be parsed as another type if not quoted."""


def override_words(preset: Preset, config: Config, given: Collection[str] = ()) -> list[str]:
    """Return the words that pass the values of `config` to the trainer, without the keys `given` in the command already.

    Lists are passed as a whole. Raises UserError for values that cannot be passed: a key with blanks, a deleted key for
    which the trainer has its own default, or a secret, which every user of the machine could see in the process list.
    """
    if held := secret_keys(config):
        raise UserError(
            f"{', '.join(sorted(held))} of the config is a secret, and the preset {preset.name} would pass it on "
            "the command line, where every user of the machine can read it; pass it in an environment variable instead."
        )
    words: list[str] = []
    skipped = {plain_key(key) for key in given}
    for key, value, kind in _wanted(preset, config):
        if not _KEY.fullmatch(key):
            raise UserError(f'The key "{key}" of the config cannot be given on the command line; use letters, digits and _.')
        if plain_key(key) not in skipped:
            words += _override(preset, key, value, kind)
    return words


def plain_key(key: str) -> str:
    """Normalise a key for comparison: without Hydra's `+` and `~`, and with `_` for `-`."""
    return key.lstrip("+~").replace("-", "_")


def unsayable(preset: Preset, path: str) -> str | None:
    """Return why the deletion of `path` cannot be passed to the trainer; None if it can."""
    if preset.config == "overrides" and preset.passes_changes_only and preset.override_style != "hydra":
        return (
            f"{path} cannot be deleted: the trainer has its own default for it, and style = "
            f'"{preset.override_style}" cannot express a deleted key; set it to a value instead.'
        )
    return None


def flag(preset: Preset, key: str, value: str) -> list[str]:
    """Return the words for a key and its formatted value in the preset's style."""
    key = key.replace("_", "-") if preset.case == "kebab" else key
    if preset.override_style == "dashed-space":
        return [f"--{key}", value]
    return [f"--{key}={value}" if preset.override_style == "dashed-eq" else f"{key}={value}"]


def text_value(preset: Preset, text: str) -> str:
    """Format a text from [flags] as a value: for Hydra, texts that its grammar would parse are quoted."""
    return _hydra_quoted(text) if preset.override_style == "hydra" and not _HYDRA_PLAIN.fullmatch(text) else text


# --------------------------------------------------------------------------------------------------------- which


def leaves(config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its path. A list is one value, and so is an empty block."""
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _wanted(preset: Preset, config: Config) -> Iterator[tuple[str, Any, str]]:
    """Yield (key, value, kind) for each override; kind is `set`, `new` or `del` relative to the base."""
    base = dict(leaves(preset.base)) if isinstance(preset.base, dict) else None
    values = dict(leaves(config))
    if not preset.passes_changes_only or base is None:
        # A null in the base means that nothing was set; a null from an edit must reach the trainer.
        yield from (
            (key, value, "set") for key, value in values.items() if value is not None or _says_null(preset, base, key)
        )
        return
    done: set[str] = set()
    for key, value in values.items():
        if key in base and same(base[key], value):
            continue
        outer = next((part for part in _parents(key) if part in base), None)
        if outer is not None:  # a value of the base became a block, which is passed as a whole
            if outer not in done:
                done.add(outer)
                yield outer, _at(config, outer), "set"
            continue
        yield key, value, "set" if key in base or any(each.startswith(f"{key}.") for each in base) else "new"
    for key in base:
        if key not in values and not any(part in values for part in _parents(key)) and key not in done:
            if preset.override_style == "hydra":
                yield key, None, "del"
            elif any(each.startswith(f"{key}.") for each in values):
                continue
            elif preset.config == "overrides" and (problem := unsayable(preset, key)):
                raise UserError(problem)


def _says_null(preset: Preset, base: Mapping[str, Any] | None, key: str) -> bool:
    if preset.null is not None or preset.override_style in ("hydra", "key-value"):
        return True
    return base is not None and base.get(key) is not None


def _parents(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:width]) for width in range(1, len(parts))]


def _at(config: Config, key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node


# ------------------------------------------------------------------------------------------------------ how spelt


def _override(preset: Preset, key: str, value: Any, kind: str) -> list[str]:
    style = preset.override_style
    if style == "hydra":
        if kind == "del":
            return [f"~{key}"]
        sign = "+" if kind == "new" and not key.startswith(("+", "~")) else ""
        return [f"{sign}{key}={_hydra(value)}"]
    if value is None:
        return flag(preset, key, preset.null if preset.null is not None else _spelt(preset, None))
    if preset.switches and isinstance(value, bool):
        name = key.replace("_", "-") if preset.case == "kebab" else key
        return [f"--{name}" if value else f"--no-{name}"]
    if preset.lists == "words" and isinstance(value, list) and style in ("dashed-eq", "dashed-space"):
        name = key.replace("_", "-") if preset.case == "kebab" else key
        return [f"--{name}", *(_spelt(preset, item) for item in value)]
    if style == "key-value":
        return flag(
            preset, key, json.dumps(value) if isinstance(value, str) and _TYPED.fullmatch(value) else _spelt(preset, value)
        )
    return flag(preset, key, _spelt(preset, value))


def _spelt(preset: Preset, value: Any) -> str:
    if isinstance(value, str):
        return value
    return repr(value) if preset.values == "python" else dump_value(value)


def _hydra(value: Any) -> str:
    if isinstance(value, str):
        plain = _HYDRA_PLAIN.fullmatch(value) and not _TYPED.fullmatch(value)
        return value if plain else _hydra_quoted(value)
    if isinstance(value, list):
        return f"[{','.join(map(_hydra, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_hydra(child)}' for key, child in value.items())}}}"
    return dump_value(value)


def _hydra_quoted(text: str) -> str:
    # A backslash is literal, except before a quote.
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + "\\'", text)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{chr(92) * trailing}'"
