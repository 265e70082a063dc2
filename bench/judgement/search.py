"""Searches compared: what each came to with a number of trainings, and what that is worth on fresh seeds."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec
from autoloop.configs import Config
from autoloop.demo import project as demo_project
from autoloop.verdicts.distributions import student_quantile

from bench.judgement.arms import ARMS, METRIC, Chosen, Task, seeded
from bench.judgement.training import trained

FRESH = 900_000_000
"""The first fresh seed. All configs are tried with the same ones."""


class Judged(msgspec.Struct, frozen=True):
    """One repetition of an arm, and what fresh seeds say of its choice."""

    chosen: Chosen
    fresh: list[float]


def search(arms: list[str], tasks: list[Task], fresh: int, results: Path, workers: int) -> None:
    """Carry out the tasks with each arm, as far as `results` lacks them."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        waited = [pool.submit(_judged, arm, task, fresh, results) for task in tasks for arm in arms]
        for done in as_completed(waited):
            if text := done.result():
                print(f"  {text}", file=sys.stderr, flush=True)


def found(arms: list[str], tasks: list[Task], results: Path) -> list[Judged]:
    """The repetitions that have been carried out."""
    files = (_file(arm, task, results) for task in tasks for arm in arms)
    return [msgspec.json.decode(file.read_bytes(), type=Judged) for file in files if file.exists()]


def report(judged: list[Judged], baseline: list[float], task: Task) -> None:
    """The table. `baseline`: its values on the fresh seeds, in their order."""
    print(f"\nSearch: the demo, {task.runs} trainings of {task.steps} steps; eval_l1 on {len(baseline)} fresh seeds.")
    print(f"The baseline: {_spread(baseline)}. Mean and sd: of it over seeds, of what was chosen over repetitions.")
    print("  search               times  trainings  steps  chosen config    less the baseline  claims  true  open  false")
    by_arm = sorted(judged, key=lambda each: each.chosen.arm)
    for arm, group in itertools.groupby(by_arm, key=lambda each: each.chosen.arm):
        of_arm = list(group)
        means = [statistics.fmean(each.fresh) for each in of_arm]
        changes = [_change(each.fresh, baseline) for each in of_arm]
        claims = [change for each, change in zip(of_arm, changes, strict=True) if each.chosen.claims]
        true, false = sum(mean < -width for mean, width in claims), sum(mean > 0 for mean, _ in claims)
        trainings = statistics.fmean(each.chosen.trainings for each in of_arm)
        steps = statistics.fmean(each.chosen.steps for each in of_arm)
        did = f"{len(of_arm):5}  {trainings:9.1f}  {steps:5.0f}  {_spread(means):15}"
        less = _spread([mean for mean, _ in changes], "+")
        print(f"  {arm:19}  {did}  {less:17}  {len(claims):6}  {true:4}  {len(claims) - true - false:4}  {false:5}")
    print("Claims: that the chosen config is better than the baseline. True: on the fresh seeds, paired, it is lower by")
    print("more than the 95 % interval; false: it is not lower at all; open: lower, but by less.")


def fresh_baseline(task: Task, count: int) -> list[float]:
    return [_value(seeded(demo_project.BASELINE, FRESH + place), task) for place in range(count)]


def _judged(arm: str, task: Task, fresh: int, results: Path) -> str:
    file = _file(arm, task, results)
    if file.exists():
        return ""
    chosen = ARMS[arm](task)
    judged = Judged(chosen, [_value(seeded(chosen.config, FRESH + place), task) for place in range(fresh)])
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(judged))
    new.rename(file)
    return f"{chosen.arm}, repetition {task.repetition + 1}"


def _file(arm: str, task: Task, results: Path) -> Path:
    return results / "search" / f"{arm}_{task.runs}_{task.steps}_{task.seed}.json"


def _change(fresh: list[float], baseline: list[float]) -> tuple[float, float]:
    """How much the values are above the baseline's with the same seeds, and half of the 95 % interval of that."""
    differences = [mine - other for mine, other in zip(fresh, baseline, strict=True)]
    width = student_quantile(0.975, len(differences) - 1) * statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.fmean(differences), width


def _value(config: Config, task: Task) -> float:
    return trained(config, task.steps, task.folder).summary().metrics[METRIC].tail_mean


def _spread(values: list[float], sign: str = "") -> str:
    sd = statistics.stdev(values) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):{sign}.4f} ± {sd:.4f}"
