"""Names of loops, runs and their output folders: valid in paths and on a terminal, and not yet taken."""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from collections.abc import Collection
from pathlib import Path

from autoloop.model import Run
from autoloop.text.names import numbered

LONGEST_NAME = 80
"""Characters of a run's name, and half its bytes: a file name has 255 bytes, with index, id and suffixes."""
ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def output_name(run: Run, attempt: int, runs: int) -> str:
    """`<index>_<config name>_<id>`, as users' scripts expect it; a retry gets a directory of its own.

    The index has as many digits as that of the last of the loop's `runs`, at least two, so that names sort. A comma of the
    name (`lr=3e-3,seed=2`) becomes `_`: some trainers take a path apart at commas.
    """
    digits = max(2, len(str(runs - 1)))
    return f"{run.position:0{digits}}_{run.name.replace(',', '_')}_{run.id}" + (f"_a{attempt}" if attempt > 1 else "")


def fresh_name(root: Path, wanted: str, names: Collection[str] = ()) -> str:
    """`wanted` (`loop_<unix time>`) or the next one after it: the first that no folder and none of the loops `names` has."""
    head, _, stamp = wanted.rpartition("_")
    number = int(stamp)
    while f"{head}_{number}" in names or os.path.lexists(root / f"{head}_{number}"):
        number += 1
    return f"{head}_{number}"


def new_run_id() -> str:
    """Eight letters or digits: the form of W&B's own run ids."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(8))


def safe_name(name: str) -> str:
    """A name that is safe as part of a path and on a terminal: letters, digits, their marks and emoji of any script."""
    kept = "".join(c if _belongs(c) else " " for c in unicodedata.normalize("NFC", name))
    short = re.sub(" +", "_", kept).strip("._")[:LONGEST_NAME]
    return short.encode()[: 2 * LONGEST_NAME].decode(errors="ignore").strip("._") or "config"


def _belongs(character: str) -> bool:
    return character in "._+=,-" or unicodedata.category(character)[0] in "LNM" or unicodedata.category(character) == "So"


def unused_name(name: str, taken: Collection[str]) -> str:
    """`name`, or `name-2`, `name-3` … where another run of the loop has it."""
    return next(free for free in numbered(name) if free not in taken)
