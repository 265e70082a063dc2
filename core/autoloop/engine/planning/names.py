"""Names of loops, runs and their output folders: valid in paths and on a terminal, and unused."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from autoloop.model import Run

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def output_name(run: Run, attempt: int, runs: int) -> str:
    """The name of an attempt's output directory: `<index>_<config name>_<id>`, as users' scripts expect, and `_a2` and so on
    for retries.

    The index has as many digits as the last index of the loop's `runs`, but at least two, so that names sort. A comma in the
    name (`lr=3e-3,seed=2`) becomes `_`, because some trainers split paths at commas.
    """
    digits = max(2, len(str(runs - 1)))
    return f"{run.position:0{digits}}_{run.name.replace(',', '_')}_{run.id}" + (f"_a{attempt}" if attempt > 1 else "")


def fresh_name(root: Path, wanted: str, names: Collection[str] = ()) -> str:
    """The first name from `wanted` (`loop_<unix time>`) on that neither a folder in `root` nor a loop in `names` has."""
    head, _, stamp = wanted.rpartition("_")
    number = int(stamp)
    while f"{head}_{number}" in names or os.path.lexists(root / f"{head}_{number}"):
        number += 1
    return f"{head}_{number}"


def new_run_id() -> str:
    """A new run id: eight letters or digits, the format of W&B's own run ids."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(8))
