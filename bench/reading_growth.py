"""What reading a W&B file costs by its rows, in seconds of processors: 20 metrics, from a thousand rows to a million.

Apart from `bench.reading`, which needs a quiet machine; seconds of processors vary little with what else runs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.measuring import ROOT, Result, Sample, command, interleaved
from bench.reading import METRICS, OURS, ours, readers, written

TITLE = "Reading histories by their length"
PACKAGES = ("protobuf", "msgspec")
SIZES = (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
"""Rows."""
RUNS = 3
"""Of each size: the largest takes half a minute without compiled code."""


def measure(result: Result) -> None:
    with tempfile.TemporaryDirectory() as directory:
        grow(result, Path(directory))


def grow(result: Result, place: Path) -> None:
    growth = result.growth(f"A W&B file of {METRICS} metrics, read whole", "rows", "s of processors")
    folders = {rows: written(place, rows).parents[2] for rows in SIZES}
    start = 0.0
    for name, reader in readers(lambda text: None).items():
        works: dict[str, Callable[[], Sample | None]] = {
            str(rows): lambda folder=folder, rows=rows, reader=reader: ours(folder, rows, reader)  # type: ignore[misc]
            for rows, folder in folders.items()
        }
        works["0"] = lambda reader=reader: command(  # type: ignore[misc]
            [sys.executable, "-c", OURS, str(ROOT / "core"), str(place / "none"), "0", "0", reader], place, exit_codes=(1,)
        )
        found = interleaved(works, RUNS, warm=0)
        start = min(each.cpu for each in found.pop("0"))
        growth.add(name, {int(rows): [max(each.cpu - start, 1e-3) for each in samples] for rows, samples in found.items()})
    result.notes.append(f"The {start:.2f} s that Python and the imports take are not in the curve.")
