"""Presets read: shipped ones by name, a person's own by path, which is a file or the table [trainer] of an autoloop.toml."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from autoloop import profiles
from autoloop.files import read_text
from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean
from autoloop.toml import TomlError, read_toml
from autoloop.trainers.faults import faults
from autoloop.trainers.presets import Console, Failure, Package, Preset, Resume, WandbFlags

SETTINGS_FILE = "autoloop.toml"
"""Its table [trainer] is a preset."""

WRITTEN = {"command": "argv", "style": "override_style"}
"""Keys that may be written for those of `Preset`, which the files of 0.1.0 have."""


def preset_names() -> list[str]:
    return sorted(_shipped())


def load_preset(name_or_path: str) -> Preset:
    """A shipped preset by its name, or one from a file (a path has a `/` or ends with `.toml`)."""
    if is_preset_file(name_or_path):
        return parse_preset(read_text(Path(name_or_path), "launch preset"), name_or_path)
    shipped, names = _shipped(), preset_names()
    if name_or_path not in shipped:
        raise UserError(
            f"Unknown launch preset {name_or_path!r}: {_hint(name_or_path, names)}"
            f"there are {', '.join(names)}; or give the path of a .toml file."
        )
    return parse_preset(shipped[name_or_path].read_text(encoding="utf-8"), f"preset {name_or_path}")


def is_preset_file(name_or_path: str) -> bool:
    """Whether a preset is named by the path of its file."""
    return "/" in name_or_path or name_or_path.endswith(".toml")


def parse_preset(text: str, source: str) -> Preset:
    """The preset in `text`, which is all of it or has it as the table [trainer]. UserError names key and remedy."""
    try:
        raw = read_toml(text)
    except TomlError as error:
        raise UserError(f"{source} is not valid TOML: {error}.") from error
    where = source
    if "trainer" in raw or Path(source).name == SETTINGS_FILE:
        raw, where = raw.get("trainer", {}), f"{source}, [trainer]"
        if not isinstance(raw, dict):
            raise UserError(f"{source}: trainer must be a table, [trainer] with command = ….")
    for new, old in WRITTEN.items():
        if new in raw and old in raw:
            raise UserError(f"{where}: {new} and {old} are the same key; keep {new}.")
    raw = {WRITTEN.get(key, key): value for key, value in raw.items()}
    for key in ("argv", "dump"):
        if isinstance(raw.get(key), str):
            raw[key] = _words(raw[key], where, key)
    try:
        preset = msgspec.convert(raw, Preset)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {_in_words(str(error))}.") from error
    for fault in faults(preset):
        raise UserError(f"{where}: {fault}.")
    return preset


def _words(command: str, where: str, key: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        key = "command" if key == "argv" else key
        raise UserError(f"{where}: {key} cannot be split into words ({str(error).lower()}); correct its quotes.") from None


def _shipped() -> dict[str, Traversable]:
    """The file of each preset by its name: those for any trainer, and those of the profiles."""
    general = (resources.files("autoloop.trainers") / "presets").iterdir()
    files = (file for file in (*general, *profiles.presets()) if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): file for file in files}


def _in_words(message: str) -> str:
    """A validation message with the key first, and the nearest known one if it is unknown."""
    text, _, where = message.partition(" - at ")
    place = where.strip("`").removeprefix("$").removeprefix(".")
    prefix = f"{place}." if place else ""
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", text):
        tables = {"": Preset, "wandb": WandbFlags, "console": Console, "resume": Resume, "package": Package}
        owner = tables.get(place, Failure)
        spelt: dict[str, str] = {old: new for new, old in WRITTEN.items()} if owner is Preset else {}
        known = [spelt.get(key, key) for key in owner.__struct_fields__]
        return f"unknown key {prefix}{unknown[1]}; {_hint(unknown[1], known)}known are {', '.join(known)}"
    if missing := re.fullmatch(r"Object missing required field `(.+)`", text):
        if not place and missing[1] == "argv":
            return 'the key command is missing: write the command that trains, as in command = "{python} train.py"'
        return f"the key {prefix}{missing[1]} is missing"
    return f"{place or 'the file'}: {text[:1].lower()}{text[1:]}"


def _hint(word: str, known: Iterable[str]) -> str:
    near = did_you_mean(word, known)
    return f"{near} " if near else ""
