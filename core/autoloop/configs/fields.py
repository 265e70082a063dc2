"""Which fields of a config are integers.

The type in the file does not tell (`kl_weight: 10` is a float field, W&B gives back `8.0` for a batch size), and a
trainer refuses `12.0` for an integer: so the fields are known by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from autoloop import profiles
from autoloop.configs.paths import Keys, written
from autoloop.configs.text import is_number


@dataclass(frozen=True)
class FieldTypes:
    """`integers`: patterns (`n_*`) of a path's last key; a pattern with a dot is matched against the whole path."""

    integers: tuple[str, ...]

    def extended(self, patterns: Iterable[str]) -> FieldTypes:
        """These fields and more: `patterns` as in `integers`."""
        return FieldTypes((*self.integers, *patterns))

    def is_integer(self, keys: Keys) -> bool:
        """Whether the place holds integers. A list index is passed over: `n_layers.0` is judged by `n_layers`."""
        names = [key for key in keys if isinstance(key, str)]
        if not names:
            return False
        whole = ".".join(names)
        return any(fnmatchcase(whole if "." in pattern else names[-1], pattern) for pattern in self.integers)

    def fitted(self, keys: Keys, value: Any) -> tuple[Any, list[str]]:
        """`value` with every number in an integer field made whole (halves upwards), and notes on what was rounded.

        Lists and blocks come back as copies.
        """
        if isinstance(value, dict):
            fitted = {key: self.fitted((*keys, key), child) for key, child in value.items()}
            return {key: child for key, (child, _) in fitted.items()}, [
                note for _, notes in fitted.values() for note in notes
            ]
        if isinstance(value, list):
            items = [self.fitted((*keys, i), child) for i, child in enumerate(value)]
            return [child for child, _ in items], [note for _, notes in items for note in notes]
        if not (isinstance(value, float) and is_number(value) and self.is_integer(keys)):
            return value, []
        whole = int(value) if value.is_integer() else math.floor(value + 0.5)
        note = f"{written(keys)} takes whole numbers: {value!r} was rounded to {whole}"
        return whole, [] if value == whole else [note]


@cache
def default_fields() -> FieldTypes:
    """The integer fields that the profiles know."""
    return FieldTypes(profiles.integer_fields())
