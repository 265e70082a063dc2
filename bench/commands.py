"""Commands that are given often: processor time and time by the clock beyond Python's bare start in the same turn, and how
they grow with the runs in the store, in one loop of 1 000 runs a round.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.measuring import Growth, Result, Sample, Target, command, interleaved, ours
from bench.stored_runs import fill

TITLE = "Commands"
TIMES = 9
"""These are short."""
TARGETS = {
    "--version": Target(0.06, "scripts ask for it"),
    "status": Target(0.1, "people and agents look often"),
}
LINES = {
    "--version": ["--version"],
    "status": ["status"],
    "status --json": ["status", "--json"],
    "approve 1 (there is none)": ["approve", "1"],
    "runs --json": ["runs", "--json"],
    "proposals --json": ["proposals", "--json"],
    "run --help (with the parser)": ["run", "--help"],
}
SIZES = (1, 1_000, 100_000)
REPEATS = {1: 5, 1_000: 5, 100_000: 3}
ROUND = 1_000


def measure(result: Result) -> None:
    growing = {size: dict[str, list[Sample]]() for size in SIZES}
    for size in SIZES:
        for finished in (False, True):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                fill(folder, 1, max(1, size // ROUND), min(size, ROUND), finished=finished)
                if size == 1 and not finished:
                    starts(result, folder)
                name = "of a finished loop" if finished else "of an active loop"
                works = {f"{line} {name}": partial(given, folder, line.split()) for line in ("status", "runs --json")}
                if not finished:
                    works["approve 1 (there is none)"] = partial(given, folder, ["approve", "1"])
                growing[size] |= interleaved(works, REPEATS[size])
    wall = result.growth("Commands by the runs in the loop, by the clock", "runs", "ms")
    grow(wall, growing, lambda sample: 1e3 * sample.wall)
    grow(result.growth("Their memory", "runs", "MB"), growing, lambda sample: sample.memory)


def starts(result: Result, folder: Path) -> None:
    works: dict[str, Callable[[], Sample | None]] = {name: partial(given, folder, words) for name, words in LINES.items()}
    works["bare"] = partial(command, [sys.executable, "-c", "pass"], folder)
    found = interleaved(works, TIMES)
    table = result.table("A project with one run: seconds beyond `python -c pass`")
    bare = found.pop("bare")
    table.add("python -c pass, by the clock", "s", [each.wall for each in bare], ours=False)
    for name, samples in found.items():
        pairs = list(zip(samples, bare, strict=True))
        beyond = [max(0.0, each.wall - floor.wall) for each, floor in pairs]
        table.add(f"{name}, by the clock", "s", beyond, TARGETS.get(name))
        table.add(f"{name}, processors", "s", [max(0.0, each.cpu - floor.cpu) for each, floor in pairs])


def given(folder: Path, words: list[str]) -> Sample:
    return command(ours(*words), folder, exit_codes=(0, 2) if words[0] == "approve" else (0,))


def grow(growth: Growth, growing: Mapping[int, Mapping[str, list[Sample]]], cost: Callable[[Sample], float]) -> None:
    for name in growing[SIZES[0]]:
        growth.add(name, {size: [cost(sample) for sample in growing[size][name]] for size in SIZES})
