"""Tables of a TOML file that a person writes, read into a shape; what is wrong with them in one sentence."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from autoloop.model import UserError
from autoloop.rules.wording import nearest

T = TypeVar("T", bound=msgspec.Struct)


def read_table(raw: Any, shape: type[T], where: str) -> T:
    """The raw table as `shape`. UserError names `where`, the key that is unknown (with the nearest), missing or wrong."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: must be a table of keys, not {type(raw).__name__}")
    keys = shape.__struct_fields__
    for key in raw:
        if key not in keys:
            raise UserError(f'{where}: unknown key "{key}"{nearest(key, keys) or "; known are " + ", ".join(keys)}')
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        if missing := re.search(r"missing required field `(\w+)`", str(error)):
            raise UserError(f'{where}: the key "{missing[1]}" is missing; write {missing[1]} = "…"') from None
        what, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        raise UserError(f"{where}: {key + ': ' if key else ''}{what[:1].lower()}{what[1:]}") from None
