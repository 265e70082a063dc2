"""TOML that a person wrote, as Python values. Whatever is wrong with the text is one kind of error."""

from __future__ import annotations

import tomllib
from typing import Any


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


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
