"""Reads users' TOML as Python values and as tables of a known shape; each error is one sentence."""

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
"""The file with a project's settings; its table [trainer] is a preset."""


class TomlError(ValueError):
    """The text is not valid TOML; the message says why and where."""


def read_toml(text: str) -> dict[str, Any]:
    """Return the table in `text`. TomlError also if Python's own reader gives up (nesting or numbers too large), and for the
    character NUL, which no path, argument or variable can hold."""
    try:
        table = tomllib.loads(text.removeprefix("\ufeff"))  # Notepad and PowerShell write a BOM
        nul = _holds_nul(table)  # dotted keys can nest deeper than the reader's own recursion
    except RecursionError:
        raise TomlError("it is nested too deeply") from None
    except ValueError as error:
        raise TomlError(str(error)) from None
    if nul:
        raise TomlError("it contains a string with the character NUL (\\u0000)")
    return table


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Return the table in a user's file. UserError names `source`, line and column."""
    try:
        return read_toml(text)
    except TomlError as error:
        raise UserError(f"{source} is not valid TOML: {error}.") from None


def read_table(raw: Any, shape: type[T], where: str, written: Mapping[str, str] = {}) -> T:
    """Convert a raw table to `shape`, which forbids unknown fields. UserError names `where` and the key that is unknown
    (with the nearest known one), missing or invalid. `written`: the names in the file of keys that differ from their
    fields."""
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
