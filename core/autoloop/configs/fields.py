"""Which fields of a config are integers.

The type in the file is not reliable (`kl_weight: 10` is a float field, and W&B returns `8.0` for a batch size), and a
trainer rejects `12.0` for an integer, so integer fields are known by name. Some names are usually counts (COUNTS), but
`warmup_epochs: 0.5` and `eval_steps: 0.1` exist too, so those are integers only if the file has an integer there.
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

COUNTS = tuple(
    [
        "epoch",
        "epochs",
        "*_epochs",
        "step",
        "*_steps",
        "iters",
        "*_iters",
        "iterations",
        "*_iterations",
        "batch",
        "batch_size",
        "*_batch_size",
        "seed",
        "*_seed",
        "workers",
        "*_workers",
        "layers",
        "*_layers",
        "*_heads",
        "*_samples",
        "*_len",
        "*_length",
        "*_every",
        "*_freq",
        "*_interval",
        "patience",
        "hidden_size",
        "vocab_size",
        "block_size",
        "rank",
    ]
)
"""Names of fields that are integers if the config has an integer there."""


@dataclass(frozen=True)
class FieldTypes:
    """`integers`: patterns (`n_*`) for the last key of a path; a pattern with a dot is matched against the whole path."""

    integers: tuple[str, ...]

    def extended(self, patterns: Iterable[str]) -> FieldTypes:
        """These fields plus `patterns`, written as in `integers`."""
        return FieldTypes((*self.integers, *patterns))

    def is_integer(self, keys: Keys, before: Any = None) -> bool:
        """Whether the place holds integers. `before`: its current value. List indices are ignored: `n_layers.0` counts as
        `n_layers`."""
        names = [key for key in keys if isinstance(key, str)]
        if not names or (isinstance(before, float) and not before.is_integer()):
            return False
        whole = ".".join(names)
        if any(fnmatchcase(whole if "." in pattern else names[-1], pattern) for pattern in self.integers):
            return True
        counts = isinstance(before, int) and is_number(before)
        return counts and any(fnmatchcase(names[-1].replace("-", "_").lower(), pattern) for pattern in COUNTS)

    def fitted(self, keys: Keys, value: Any, before: Any = None) -> tuple[Any, list[str]]:
        """`value` with every number in an integer field rounded to an integer (halves up), and notes on those rounded.

        `before`: the current value. Lists and blocks are copied.
        """
        if isinstance(value, dict):
            fitted = {key: self.fitted((*keys, key), child) for key, child in value.items()}
            return {key: child for key, (child, _) in fitted.items()}, [
                note for _, notes in fitted.values() for note in notes
            ]
        if isinstance(value, list):
            items = [self.fitted((*keys, i), child) for i, child in enumerate(value)]
            return [child for child, _ in items], [note for _, notes in items for note in notes]
        if not (isinstance(value, float) and is_number(value) and self.is_integer(keys, before)):
            return value, []
        whole = int(value) if value.is_integer() else math.floor(value + 0.5)
        note = f"{written(keys)} takes whole numbers: {value} was rounded to {whole}"
        return whole, [] if value == whole else [note]


@cache
def default_fields() -> FieldTypes:
    """The integer fields that the profiles know."""
    return FieldTypes(profiles.integer_fields())
