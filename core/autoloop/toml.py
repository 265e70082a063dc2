"""TOML that a person wrote, as Python values and as tables of a known shape; what is wrong with it in one sentence."""

from __future__ import annotations

import re
import tomllib
from typing import Any, TypeVar

import msgspec

from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean

T = TypeVar("T", bound=msgspec.Struct)


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


def read_table(raw: Any, shape: type[T], where: str) -> T:
    """The raw table as `shape`. UserError names `where`, the key that is unknown (with the nearest), missing or wrong."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: must be a table of keys, not {type(raw).__name__}")
    keys = shape.__struct_fields__
    for key in raw:
        if key not in keys:
            hint = did_you_mean(key, keys, f"known are {', '.join(keys)}", quote='"')
            raise UserError(f'{where}: unknown key "{key}"; {hint}')
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        if missing := re.search(r"missing required field `(\w+)`", str(error)):
            raise UserError(f'{where}: the key "{missing[1]}" is missing; write {missing[1]} = "…"') from None
        what, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        raise UserError(f"{where}: {key + ': ' if key else ''}{what[:1].lower()}{what[1:]}") from None


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
