"""TOML that a person wrote, as Python values. Whatever is wrong with the text is one kind of error."""

from __future__ import annotations

import tomllib
from typing import Any


class TomlError(ValueError):
    """The text is no TOML that can be read; says why and where."""


def read_toml(text: str) -> dict[str, Any]:
    """The table in `text`. TomlError also where Python's own reader gives up: nested without end, endless numbers."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise TomlError("it is nested too deeply") from None
    except ValueError as error:
        raise TomlError(str(error)) from None
