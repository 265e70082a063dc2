"""Loads presets: shipped ones by name, users' own from a file or from the table [trainer] of an autoloop.toml.

A user's preset may name a shipped one as `preset`, and then contains only the differences.
"""

from __future__ import annotations

import shlex
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from autoloop import profiles
from autoloop.files import read_text
from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean
from autoloop.toml import SETTINGS_FILE, parse_toml, read_table
from autoloop.trainers.faults import faults
from autoloop.trainers.presets import Preset

BASED_ON = "preset"
"""The key that names the shipped preset which supplies the keys that a user's preset does not set."""

WRITTEN = {"command": "argv", "style": "override_style"}
"""Keys in files and the fields of `Preset`; files of version 0.1.0 use the field names."""


def preset_names() -> list[str]:
    return sorted(_shipped())


def load_preset(name_or_path: str) -> Preset:
    """Load a shipped preset by name, or a preset from a file (a path contains `/` or ends with `.toml`)."""
    if is_preset_file(name_or_path):
        return parse_preset(read_text(Path(name_or_path), "launch preset"), name_or_path)
    shipped, names = _shipped(), preset_names()
    if name_or_path not in shipped:
        known = f"there are {', '.join(names)}, and a file is named by its path (with a / or .toml)."
        raise UserError(f'There is no launch preset "{name_or_path}"; {did_you_mean(name_or_path, names, known)}')
    return parse_preset(shipped[name_or_path].read_text(encoding="utf-8"), f"preset {name_or_path}")


def is_preset_file(name_or_path: str) -> bool:
    """Whether a preset is given as the path of a file."""
    return "/" in name_or_path or name_or_path.endswith(".toml")


def parse_preset(text: str, source: str) -> Preset:
    """Parse the preset in `text`: the whole text or its table [trainer]. Raises UserError with the key and the remedy."""
    raw, where = parse_toml(text, source), source
    if "trainer" in raw or Path(source).name == SETTINGS_FILE:
        raw, where = raw.get("trainer", {}), f"{source}, [trainer]"
        if not isinstance(raw, dict):
            raise UserError(f"{source}: trainer must be a table, [trainer] with command = ….")
    raw = _spelt(raw, where)
    if (shipped := raw.pop(BASED_ON, None)) is not None:
        raw = _completed(_of_shipped(shipped, where), raw)
    if "argv" not in raw and not raw.keys() - set(Preset.__struct_fields__):  # an unknown key may be a typo of it
        raise UserError(
            f'{where}: the key "command" is missing; write the command that trains, as in command = "{{python}} train.py".'
        )
    preset = read_table(raw, Preset, where, WRITTEN)
    for fault in faults(preset):
        raise UserError(f"{where}: {fault}.")
    return preset


def _spelt(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the table with the field names of `Preset`, and with commands split into words."""
    for new, old in WRITTEN.items():
        if new in raw and old in raw:
            raise UserError(f"{where}: {new} and {old} are the same key; keep {new}.")
    raw = {WRITTEN.get(key, key): value for key, value in raw.items()}
    for key in ("argv", "dump"):
        if isinstance(raw.get(key), str):
            raw[key] = _words(raw[key], where, key)
    return raw


def _of_shipped(name: object, where: str) -> dict[str, Any]:
    files = _shipped()
    if not isinstance(name, str) or name not in files:
        near = did_you_mean(str(name), files, f"there are {', '.join(sorted(files))}.")
        raise UserError(f"{where}: {BASED_ON} must name a shipped launch preset, which {name} is not; {near}")
    source = f"preset {name}"
    return _spelt(parse_toml(files[name].read_text(encoding="utf-8"), source), source)


def _completed(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the shipped keys, replaced by the user's own; tables such as `flags` are merged key by key."""
    joined = dict(shipped)
    for key, value in own.items():
        before = joined.get(key)
        joined[key] = _completed(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return joined


def _words(command: str, where: str, key: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        key = "command" if key == "argv" else key
        raise UserError(f"{where}: {key} cannot be split into words ({str(error).lower()}); correct its quotes.") from None


def _shipped() -> dict[str, Traversable]:
    """Return the preset files by name: the generic ones and those of the profiles."""
    general = (resources.files("autoloop.trainers") / "presets").iterdir()
    files = (file for file in (*general, *profiles.presets()) if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): file for file in files}
