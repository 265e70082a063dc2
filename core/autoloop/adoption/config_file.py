"""The config file that a command names, if any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from autoloop.adoption.arguments import Argument, named
from autoloop.adoption.draft import Draft
from autoloop.adoption.known import known
from autoloop.configs import Config, parse_config, suffix_of
from autoloop.files import read_text
from autoloop.model import UserError


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """`argument`: the argument that names it; None if it is the script's default. A Python file has no `text`."""

    argument: Argument | None
    flag: str
    path: str
    text: str = ""
    config: Config = {}

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def suffix(self) -> str:
        return suffix_of(self.path)


def config_file(draft: Draft) -> ConfigFile | None:
    """The command's config file. If there are several, the last, which takes precedence. UserError if one is missing or
    unreadable."""
    names = (*(draft.trainer.config_flags if draft.trainer else ()), *known().names.config)
    candidates = [
        each
        for each in draft.arguments
        if each.names_file
        and (named(each.key, (*names, "c", "f")) or (each.kind == "word" and not _is_data(draft.cwd / each.text)))
    ]
    for each in candidates:
        if not (draft.cwd / each.text).is_file():
            raise UserError(
                f"The config {each.text} does not exist in {draft.cwd}: fix its path, or run this from its folder."
            )
    if candidates:
        if len(candidates) > 1:
            others = ", ".join(each.text for each in candidates[:-1])
            draft.say("config", f"edits change the last of several config files; {others} stays unchanged")
        return _read(draft, candidates[-1].text, candidates[-1], candidates[-1].key)
    for flag in {id(flag): flag for flag in draft.script.flags.values()}.values():
        default = flag.default
        if named(flag.key, names) and isinstance(default, str) and _is_config(draft.cwd, default):
            draft.say("config", f"{default}, which {draft.command.script} reads unless --{flag.key} names another")
            return _read(draft, default, None, flag.key)
    return None


def _is_data(path: Path) -> bool:
    """Whether a JSON file is a list: examples to train on, not settings."""
    if path.suffix != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(256).lstrip().startswith(b"[")


def _is_config(cwd: Path, path: str) -> bool:
    return path.endswith((".yaml", ".yml", ".json", ".toml")) and (cwd / path).is_file()


def _read(draft: Draft, path: str, argument: Argument | None, flag: str) -> ConfigFile:
    if path.endswith(".py"):
        return ConfigFile(argument=argument, flag=flag, path=path)
    text = read_text(draft.cwd / path, "config")
    return ConfigFile(argument=argument, flag=flag, path=path, text=text, config=parse_config(text, path))


def leaf_values(config: Config, before: str = "") -> dict[str, Any]:
    """Every value that is not a block, by its dotted key."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= leaf_values(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found
