"""The importance of each setting over many runs: Optuna's PED-ANOVA, with a bootstrap interval.

Optuna is optional and loaded only here. Fewer than FEWEST runs would give only a guess, so callers do not ask then.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from autoloop.configs.text import is_number
from autoloop.effects.trained import TrainedRun, comparable, configs_of
from autoloop.metrics import Direction
from autoloop.model import UserError

FEWEST = 20
"""Minimum number of finished runs."""
ABOVE = 5
"""Minimum number of runs in the best part, which otherwise is a tenth of all."""
RESAMPLED = 100
SPAN = 10.0
"""Positive numbers that vary by at least this factor are treated on a logarithmic scale."""


class Importance(NamedTuple):
    """The share of a setting, and the 90 % interval of its share over resampled runs. All shares sum to 1."""

    path: str
    share: float
    low: float
    high: float


def importance(runs: Sequence[TrainedRun], metric: str, good: Direction, seed: int = 0) -> list[Importance]:
    """How much each setting decides whether a run is among the best, most important first.

    `runs`: at least FEWEST, of one cohort. Only settings that all of them have are compared. UserError if Optuna is not
    installed, or no setting varies.
    """
    try:
        import optuna
    except ImportError:
        raise UserError("Importance needs Optuna: pip install 'autoloop-tui[search]'.") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = _rows(runs, metric)
    spaces = _spaces([params for params, _ in rows], optuna)
    if not spaces:
        raise UserError("No setting shared by all these runs varies, so importance cannot be estimated.")
    trials = [
        optuna.trial.create_trial(params={path: params[path] for path in spaces}, distributions=spaces, value=value)
        for params, value in rows
    ]
    chance = random.Random(seed)
    whole = _shares(trials, good, optuna)
    resampled = [_shares(chance.choices(trials, k=len(trials)), good, optuna) for _ in range(RESAMPLED)]
    found = []
    for path, share in whole.items():
        drawn = sorted(each.get(path, 0.0) for each in resampled)
        found.append(Importance(path, share, drawn[len(drawn) // 20], drawn[-1 - len(drawn) // 20]))
    return sorted(found, key=lambda each: -each.share)


def _rows(runs: Sequence[TrainedRun], metric: str) -> list[tuple[Mapping[str, Any], float]]:
    return [
        ({path: _plain(value) for path, value in config.leaves.items()}, run.summary.metrics[metric].tail_mean)
        for config in configs_of(runs)
        for run in config.runs
    ]


def _plain(value: Any) -> Any:
    return value if is_number(value) or isinstance(value, str | bool | None) else str(comparable(value))


def _spaces(params: Sequence[Mapping[str, Any]], optuna: Any) -> dict[str, Any]:
    """The range of each setting that all runs have and that varies."""
    spaces: dict[str, Any] = {}
    for path in params[0]:
        if not all(path in each for each in params):
            continue
        values = [each[path] for each in params]
        if len({comparable(value) for value in values}) < 2:
            continue
        if not all(map(is_number, values)):
            spaces[path] = optuna.distributions.CategoricalDistribution(sorted(set(values), key=str))
            continue
        low, high = min(values), max(values)
        whole = all(isinstance(value, int) for value in values)
        kind = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
        spaces[path] = kind(low, high, log=low > 0 and high / low >= SPAN)
    return spaces


def _shares(trials: Sequence[Any], good: Direction, optuna: Any) -> dict[str, float]:
    study = optuna.create_study(direction="maximize" if good == "high" else "minimize")
    study.add_trials(trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, ABOVE / len(trials)))
        found: dict[str, float] = evaluator.evaluate(study)
    total = sum(found.values())
    return {path: value / total if total > 0 else 0.0 for path, value in found.items()}
