"""Past runs, read and replayed: `analyze-offline` over folders of W&B runs that others made, for the first time ("cold": no
cache of ours; the files are in the page cache) and again ("warm"), and `backtest` with the shipped live rules over them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.measuring import RUNS, Result, Sample, Target, command, interleaved, ours
from bench.wandb_files import write_runs

TITLE = "Analysis"
PACKAGES = ("wandb",)
LARGE = (1000, 200, 20)
"""Runs, rows, metrics: a project of some months."""
SMALL = (20, 10)
"""Rows and metrics of the runs over which costs grow."""
SIZES = {100: RUNS, 1000: RUNS, 10_000: 3}
"""Runs, and how often they are read."""
REPLAYED = {100: RUNS, 1000: 3, 10_000: 1}


class Folder:
    """Runs, and a project without runs of its own from which they are analysed."""

    def __init__(self, place: Path, runs: int, rows: int, metrics: int) -> None:
        self.root, self.project, self.runs = place / "runs", place / "project", runs
        self.answer = place / "answer.json"
        (self.project / ".autoloop").mkdir(parents=True)
        write_runs(self.root, runs, rows, metrics)
        time.sleep(3)  # files that were just written are not remembered

    def forget(self) -> None:
        shutil.rmtree(self.project / ".autoloop")
        (self.project / ".autoloop").mkdir()

    def analyse(self) -> Sample:
        words = ours("analyze-offline", "--outputs-root", str(self.root), "--limit", str(self.runs))
        sample = command(words, self.project, out=self.answer, seconds=400)
        self.check(len(json.loads(self.answer.read_bytes())))
        return sample

    def cold(self) -> Sample:
        self.forget()
        return self.analyse()

    def replay(self, *words: str) -> Sample:
        sample = command(ours("backtest", str(self.root), *words, "--json"), self.project, out=self.answer, seconds=400)
        found = json.loads(self.answer.read_bytes())
        self.check(found["runs"] if words else found["totals"]["runs"])
        return sample

    def find_stop(self) -> Sample:
        return self.replay("--find-stop", "l1_loss")

    def check(self, found: int) -> None:
        if found != self.runs:
            raise SystemExit(f"{found} runs were read, not {self.runs}")


def measure(result: Result) -> None:
    with tempfile.TemporaryDirectory() as place:
        large(result, Folder(Path(place) / "large", *LARGE))
        two_hundred(result, Folder(Path(place) / "less", 200, *LARGE[1:]))
        growth(result, Path(place))


def large(result: Result, folder: Folder) -> None:
    runs, rows, metrics = LARGE
    found = interleaved({"cold": folder.cold, "warm": folder.analyse}, warm=0)
    table = result.table(f"`analyze-offline`, {runs} runs of {rows} rows × {metrics} metrics")
    limits = {"cold": Target(4.0, "a project of some months, once"), "warm": Target(1.0, "each time after that")}
    show(table.add, found, limits)


def two_hundred(result: Result, folder: Folder) -> None:
    found = interleaved({"rules": folder.replay, "--find-stop": folder.find_stop})
    table = result.table("`backtest`, 200 runs of 200 rows × 20 metrics")
    show(table.add, found, {"rules": Target(10.0, "a change of rules is tried while one waits")})


def show(add: Callable[..., object], found: dict[str, list[Sample]], limits: dict[str, Target]) -> None:
    for name, samples in found.items():
        add(name, "s", [sample.wall for sample in samples], limits.get(name))
        add(f"{name}, processors", "s", [sample.cpu for sample in samples])
        add(f"{name}, largest process", "MB", [sample.memory for sample in samples])


def growth(result: Result, place: Path) -> None:
    names = ("analyze-offline, cold", "analyze-offline, warm", "backtest")
    curves: dict[str, dict[float, list[float]]] = {name: {} for name in names}
    for runs, times in SIZES.items():
        folder = Folder(place / f"of-{runs}", runs, *SMALL)
        works: dict[str, Callable[[], Sample | None]] = {names[0]: folder.cold, names[1]: folder.analyse}
        for name, samples in interleaved(works, times, warm=0).items():
            curves[name][runs] = [sample.cpu for sample in samples]
        curves[names[2]][runs] = [folder.replay().cpu for _ in range(REPLAYED[runs])]
    grown = result.growth(f"Past runs of {SMALL[0]} rows × {SMALL[1]} metrics: seconds of processors", "runs", "s")
    for name in names:
        grown.add(name, curves[name])
