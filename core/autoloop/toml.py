"""TOML that a user wrote, as Python values and as tables of a known shape; what is wrong with it in one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from autoloop.model import UserError
from autoloop.model.structs import convert
from autoloop.text.validation import problem_text

T = TypeVar("T", bound=msgspec.Struct)

SETTINGS_FILE = "autoloop.toml"
"""A project's settings; its table [trainer] is a preset."""


class TomlError(ValueError):
    """The text is no TOML that can be read; says why and where."""


def read_toml(text: str) -> dict[str, Any]:
    """The table in `text`. TomlError also where Python's own reader gives up (nested without end, endless numbers), and for
    the character NUL, which no path, argument or variable can hold."""
    try:
        table = tomllib.loads(text.removeprefix("\ufeff"))  # Notepad and PowerShell begin a file with it
        nul = _holds_nul(table)  # keys with dots nest deeper than the reader itself does
    except RecursionError:
        raise TomlError("it is nested too deeply") from None
    except ValueError as error:
        raise TomlError(str(error)) from None
    if nul:
        raise TomlError("a text in it holds the character NUL (\\u0000)")
    return table


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The table in a user's file. UserError names `source`, line and column."""
    try:
        return read_toml(text)
    except TomlError as error:
        raise UserError(f"{source} is not valid TOML: {error}.") from None


def read_table(raw: Any, shape: type[T], where: str, written: Mapping[str, str] = {}) -> T:
    """The raw table as `shape`, which forbids unknown fields. UserError names `where`, and the key that is unknown (with the
    nearest), missing or wrong. `written`: how keys are written in the file, where a field has another name."""
    try:
        return convert(raw, shape)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {problem_text(error, shape, written)}") from None


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
