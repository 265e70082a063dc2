"""Ways to spend a number of trainings of the demo on a better config: each ends with the config that it would go on with."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from autoloop.api import edit
from autoloop.configs import Config
from autoloop.demo import project as demo_project
from autoloop.model import Run, RunState

from bench.judgement.training import Row, trained
from bench.judgement.warm import Ended, run_loop

METRIC = "eval/offline_eval/avg_l1"
"""The main metric of the demo; lower is better."""
ROUND = 4
WINDOWS = (5, 10, 20)
RANGES = {"reg": (0.05, 0.6), "tau": (0.05, 5.0), "lambda_ot": (0.02, 0.2), "labels": (0.1, 2.0)}
"""Log-uniform: what a person would give a search for this trainer. `labels` is a factor of all label weights."""
BASELINE_POINT: dict[str, float] = {"reg": 0.1, "tau": 0.05, "lambda_ot": 0.1, "labels": 1.0, "window": 5}


class Chosen(msgspec.Struct, frozen=True):
    """What an arm ended with. `claims`: that it is better than the baseline. `trainings`, `steps`: of all together."""

    arm: str
    repetition: int
    config: Config
    claims: bool
    trainings: int
    steps: int


class Task(msgspec.Struct, frozen=True):
    """One repetition of an arm. `folder` keeps the trainings of the arms that train in this process; `server` trains for the
    loops of the others."""

    repetition: int
    runs: int
    steps: int
    seed: int
    folder: Path
    server: Path


def greedy_rules(task: Task) -> Chosen:
    """The shipped rules as 0.1.0 used them: four configs, one run each; each run's first proposal is run next; the lowest
    last value is taken."""
    ended = _loop(task, ["--variants-per-run", "1", "--replicates", "0"])
    found = [run for run in ended.runs if run.state is RunState.FINISHED and run.summary and METRIC in run.summary.metrics]
    values = [run.summary.metrics[METRIC].last for run in found if run.summary]
    best = values.index(min(values))
    return Chosen("greedy rules", task.repetition, ended.configs[found[best].id], best > 0, len(found), _steps(found))


def rules_with_replicates(task: Task) -> Chosen:
    """The shipped rules as they are used now: what looks better runs again with fresh seeds beside the baseline. The config
    that the end of the loop names is taken."""
    ended = _loop(task, ["--variants-per-run", "1", "--replicates", "auto"])
    outcome = ended.loop.outcome
    assert outcome is not None
    config, name = ended.configs[outcome.first.run], "rules, replicates"
    return Chosen(name, task.repetition, config, outcome.better, len(ended.runs), _steps(ended.runs))


def random_search(task: Task) -> Chosen:
    """The baseline and points of the space at random, each with a seed of its own; the lowest last value is taken."""
    rng = random.Random(task.seed)
    points = [BASELINE_POINT, *(_drawn(rng) for _ in range(task.runs - 1))]
    configs = [_config(point, task.seed + place) for place, point in enumerate(points)]
    values = [_last(trained(config, task.steps, task.folder).rows) for config in configs]
    best = values.index(min(values))
    return Chosen("random search", task.repetition, configs[best], best > 0, len(values), task.steps * len(values))


def tpe(task: Task) -> Chosen:
    """Optuna's TPE with median pruning over the same space, the baseline first; the lowest last value is taken."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=task.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=task.steps // 3),
    )
    study.enqueue_trial(BASELINE_POINT)
    configs: list[Config] = []
    steps = 0

    def objective(trial: optuna.Trial) -> float:
        nonlocal steps
        point: dict[str, float] = {name: trial.suggest_float(name, *ends, log=True) for name, ends in RANGES.items()}
        point["window"] = trial.suggest_categorical("window", WINDOWS)
        configs.append(_config(point, task.seed + trial.number))

        def watch(row: Row) -> bool:
            step, values = row
            if METRIC not in values:
                return False
            trial.report(values[METRIC], step)
            return step < task.steps and bool(trial.should_prune())

        curve = trained(configs[-1], task.steps, task.folder, watch)
        steps += curve.rows[-1][0]
        if not curve.complete:
            raise optuna.TrialPruned
        return _last(curve.rows)

    study.optimize(objective, n_trials=task.runs)
    best = study.best_trial
    return Chosen("TPE, median pruning", task.repetition, configs[best.number], best.number > 0, task.runs, steps)


ARMS: dict[str, Callable[[Task], Chosen]] = {
    "rules": rules_with_replicates,
    "greedy": greedy_rules,
    "random": random_search,
    "tpe": tpe,
}


def seeded(config: Config, seed: int) -> Config:
    return {**config, "seed": seed}


def _loop(task: Task, words: list[str]) -> Ended:
    configs = {name: seeded(config, task.seed) for name, config in demo_project.demo_configs().items()}
    rounds = math.ceil(task.runs / ROUND)
    return run_loop(
        task.server, configs, task.steps, "", ["--rounds", str(rounds), "--decide", "--concurrency", "2", *words]
    )


def _steps(runs: list[Run]) -> int:
    return sum(run.step for run in runs)


def _drawn(rng: random.Random) -> dict[str, float]:
    point = {name: math.exp(rng.uniform(*map(math.log, ends))) for name, ends in RANGES.items()}
    return {**point, "window": rng.choice(WINDOWS)}


def _config(point: dict[str, float], seed: int) -> Config:
    changes: dict[str, Any] = {
        "ot.loss_config.reg": point["reg"],
        "ot.loss_config.tau_src": point["tau"],
        "ot.loss_config.tau_tgt": point["tau"],
        "ot.lambda_ot": point["lambda_ot"],
        "ot.loss_config.features.*.weight_label@mul": point["labels"],
        "ot.window_size": int(point["window"]),
    }
    config = seeded(demo_project.BASELINE, seed)
    return config if point == BASELINE_POINT else edit(config, changes).config


def _last(rows: list[Row]) -> float:
    return next(values[METRIC] for _, values in reversed(rows) if METRIC in values)
