"""The effect of a setting comes from configs that differ only in it; importance comes from many runs."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from autoloop.effects import Comparison, TrainedRun, compare, configs_of, importance
from autoloop.effects.pairs import MISSING
from autoloop.model import UserError
from autoloop.verdicts import Basis, Call

from tests.cli.past_loops import curve, summary_of

NUMBERS = itertools.count()


def trained(value: float, config: Mapping[str, Any], *, cohort: str = "c", steps: int = 10) -> TrainedRun:
    """Return a run that ended at `value`."""
    name = f"r{next(NUMBERS)}"
    return TrainedRun(name, name, config, cohort, "seed", summary_of(curve(*[value] * steps, metric="loss")))


def pairs(comparison: Comparison) -> set[tuple[str, Any, Any]]:
    return {(pair.path, pair.before, pair.after) for pair in comparison.pairs}


def test_only_configs_that_differ_in_one_value_are_a_pair() -> None:
    runs = [
        trained(1.0, {"lr": 1, "opt": {"wd": 0.1, "name": "adam"}, "seed": 1}),
        trained(1.0, {"lr": 2, "opt": {"wd": 0.1, "name": "adam"}, "seed": 2}),
        trained(1.0, {"lr": 2, "opt": {"wd": 0.5, "name": "adam"}, "seed": 3}),
        trained(1.0, {"lr": 3, "opt": {"wd": 0.7, "name": "sgd"}, "seed": 1}),
    ]
    assert pairs(compare(runs, "loss", "low")) == {("lr", 1, 2), ("opt.wd", 0.1, 0.5)}


def test_runs_that_differ_in_the_seed_or_in_names_are_one_config() -> None:
    base = {"lr": 1, "layers": [64, 64], "flags": [{"on": True}]}
    runs = [
        trained(1.0, {**base, "seed": 1, "output_dir": "/a", "trainer": {"run_name": "a"}}),
        trained(3.0, {**base, "seed": 2, "output_dir": "/b", "trainer": {"run_name": "b"}}),
        trained(5.0, {**base, "seed": 1, "lr": 1.0, "trainer": {"run_name": "c"}}),
    ]
    (config,) = configs_of(runs)
    assert [config.seed_of(run) for run in config.runs] == ["1", "2", "1"]


def test_each_is_compared_with_the_one_that_was_trained_first() -> None:
    runs = [trained(float(lr), {"lr": lr}) for lr in (3, 1, 2)]
    assert pairs(compare(runs, "loss", "low")) == {("lr", 3, 1), ("lr", 3, 2)}


def test_a_key_that_is_there_in_one_only_and_an_element_of_a_list_are_values_too() -> None:
    runs = [
        trained(1.0, {"a": 1, "parts": [{"w": 1}, {"w": 2}]}),
        trained(1.0, {"a": 1, "b": 5, "parts": [{"w": 1}, {"w": 2}]}),
        trained(1.0, {"a": 1, "parts": [{"w": 1}, {"w": 3}]}),
    ]
    assert pairs(compare(runs, "loss", "low")) == {("b", MISSING, 5), ("parts.1.w", 2, 3)}


def test_other_trainers_and_lengths_are_not_compared() -> None:
    runs = [trained(1.0, {"lr": 1}), trained(1.0, {"lr": 2}, cohort="other")]
    assert compare(runs, "loss", "low").pairs == []


def test_true_is_not_one() -> None:
    assert pairs(compare([trained(1.0, {"x": True}), trained(1.0, {"x": 1})], "loss", "low")) == {("x", True, 1)}


def test_one_run_of_each_says_nothing_about_the_config() -> None:
    (pair,) = compare([trained(1.0, {"lr": 1}), trained(0.1, {"lr": 2})], "loss", "low").pairs
    assert (pair.verdict.call, pair.verdict.basis) == (Call.NOT_ENOUGH, Basis.WITHIN_RUN)
    assert pair.means == (pytest.approx(1.0), pytest.approx(0.1))


def test_with_seeds_a_large_effect_is_decided_and_a_small_one_is_not() -> None:
    chance = random.Random(3)
    runs = [
        trained(level + chance.gauss(0, 0.1), {"lr": lr, "wd": wd, "seed": seed})
        for lr, wd, level in ((1, 0.1, 5.0), (2, 0.1, 3.0), (1, 0.2, 5.0))
        for seed in range(5)
    ]
    comparison = compare(runs, "loss", "low")
    calls = {pair.path: pair.verdict.call for pair in comparison.pairs}
    assert calls["lr"] is Call.BETTER
    assert calls["wd"] not in (Call.BETTER, Call.WORSE)
    assert comparison.pairs[0].path == "lr"
    (noise,) = comparison.noise
    assert 0.05 < noise.sd < 0.2


def test_equal_configs_are_rarely_called_different_however_many_pairs_there_are() -> None:
    """In 40 experiments of 10 pairs each, all of them noise, at most 5 % of the experiments contain any error."""
    wrong = 0
    for experiment in range(40):
        chance = random.Random(experiment)
        runs = [trained(chance.gauss(1, 0.1), {"x": x, "seed": seed}) for x in range(11) for seed in range(3)]
        wrong += any(pair.verdict.call.decided for pair in compare(runs, "loss", "low").pairs)
    assert wrong <= 5


def many(number: int) -> list[TrainedRun]:
    """Return runs whose loss depends only on the learning rate."""
    chance = random.Random(1)
    return [
        trained(
            abs(rate - 3) + chance.gauss(0, 0.05),
            {
                "rate": rate,
                "wd": chance.random(),
                "name": chance.choice(["a", "b"]),
                "layers": chance.randint(1, 8),
                "fix": 1,
            },
        )
        for rate in (chance.uniform(0, 6) for _ in range(number))
    ]


def test_the_setting_on_which_the_result_depends_is_the_most_important() -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    found = importance(many(60), "loss", "low")
    assert found[0].path == "rate"
    assert {each.path for each in found} == {"rate", "wd", "name", "layers"}
    assert sum(each.share for each in found) == pytest.approx(1.0)
    assert found[0].low <= found[0].share <= found[0].high
    assert found[0].low > max(each.share for each in found[1:])
    assert importance(many(60), "loss", "low") == found, "it says the same each time"


def test_without_optuna_the_answer_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'autoloop-tui\[search\]'"):
        importance(many(20), "loss", "low")
