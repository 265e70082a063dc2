"""Runs that differ only in the seed, treated as one config: which they are, and the mean of their results."""

from __future__ import annotations

import sys
from array import array

import pytest
from autoloop.metrics import config_label, config_name, default_book, over_seeds, summarise, together
from autoloop.model import GpuUse, Run, Series, Summary


def reached(*values: float, **more: float) -> Summary:
    columns = {"val/loss": Series(array("q", range(1, len(values) + 1)), array("d", values))}
    columns |= {name: Series(array("q", [1]), array("d", [value])) for name, value in more.items()}
    return summarise(columns, default_book())


def run(id: str, group: str, summary: Summary | None, *, hash: str = "", name: str = "", seed: str = "") -> Run:
    return Run(
        id=id, loop=1, round=1, position=0, name=name or id, config_path="", source_path="", config_hash=hash or id,
        group=group, seed=seed, summary=summary,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "seed", "expected"),
    [
        ("lr=3e-2,seed=1", "1", "lr=3e-2"),
        ("act,lr=3e-2,seed=12", "12", "act,lr=3e-2"),
        ("training_seed=7,lr=3e-2_r3_12", "7", "lr=3e-2_r3_12"),
        ("lr=3e-2,seed=1_r2_4", "1", "lr=3e-2_r2_4"),
        ("lr=3e-2,seed=1-2", "1", "lr=3e-2-2"),
        ("seed=1", "1", "base"),
        ("seed=1_r2_4", "1", "base_r2_4"),
        ("lr=1e-2", "1", "lr=1e-2"),
        ("demo_tau5", "1", "demo_tau5"),
        ("env_seed=3,lr=1", "1", "env_seed=3,lr=1"),  # a key other than the config's seed
    ],
)
def test_a_config_is_called_as_its_run_without_the_seed(name: str, seed: str, expected: str) -> None:
    assert config_name(run("a", "group", None, name=name, seed=seed)) == expected


def test_a_run_of_no_group_keeps_its_name() -> None:
    assert config_name(run("a", "", None, name="lr=1,seed=1", seed="1")) == "lr=1,seed=1"


def test_a_config_is_labelled_with_its_number_of_seeds_and_a_single_run_as_itself() -> None:
    first = run("ab12cd34", "group", None, name="lr=3e-2,seed=1", seed="1")
    assert config_label(first, 3) == "lr=3e-2 (ab12cd34, 3 seeds)"
    assert config_label(first, 1) == "lr=3e-2,seed=1 (ab12cd34)"


def test_runs_of_one_group_are_one_config_and_runs_without_a_seed_stay_alone() -> None:
    runs = [run("a1", "a", None), run("b", "", None), run("a2", "a", None), run("c", "", None)]
    assert [[each.id for each in config.runs] for config in over_seeds(runs)] == [["a1", "a2"], ["b"], ["c"]]


def test_the_same_training_twice_is_no_other_seed() -> None:
    runs = [run("a1", "a", None, hash="x"), run("a2", "a", None, hash="x")]
    assert [len(config.runs) for config in over_seeds(runs)] == [1, 1]


def test_every_statistic_is_the_mean_over_the_runs_that_have_the_metric() -> None:
    runs = [run("a1", "a", reached(4.0, 1.0)), run("a2", "a", reached(8.0, 6.0, 3.0, acc=0.5))]
    (config,) = over_seeds(runs)
    loss = config.summary.metrics["val/loss"]
    assert (loss.first, loss.last, loss.best, loss.delta) == (6.0, 2.0, 2.0, -4.0)
    assert (loss.n, loss.first_step, loss.last_step, loss.best_step) == (2, 1, 2, 2)
    assert config.summary.metrics["acc"].last == 0.5
    assert config.summary.steps == 2
    assert config.name == "a1 (a1, mean of 2 runs over seeds)"


def test_a_config_has_diverged_where_one_of_its_seeds_has() -> None:
    (config,) = over_seeds([run("a1", "a", reached(4.0, 1.0)), run("a2", "a", reached(4.0, float("nan"), float("nan")))])
    assert config.summary.not_finite == ["val/loss"]
    assert config.summary.in_a_row == {"val/loss": 2}
    assert config.summary.metrics["val/loss"].last == 2.5


def test_the_mean_of_the_largest_numbers_is_a_number() -> None:
    (config,) = over_seeds([run("a1", "a", reached(sys.float_info.max)), run("a2", "a", reached(sys.float_info.max))])
    assert config.summary.metrics["val/loss"].last == pytest.approx(sys.float_info.max)


def test_the_use_of_gpus_is_averaged_over_seeds_and_added_up_over_the_attempts_of_a_run() -> None:
    first = GpuUse(gpus=1, seconds=10.0, utilisation=90.0, idle_share=0.0, peak_memory_gib=4.0, energy_wh=1.0)
    second = GpuUse(gpus=1, seconds=30.0, utilisation=50.0, idle_share=0.4, peak_memory_gib=6.0)
    runs = [run(id, "g", Summary(gpu=use)) for id, use in (("a", first), ("b", second), ("c", None))]
    (config,) = over_seeds(runs)
    assert config.summary.gpu == GpuUse(
        gpus=1, seconds=20.0, utilisation=70.0, idle_share=0.2, peak_memory_gib=5.0, energy_wh=1.0
    )
    both = together(first, second)
    assert both is not None
    assert both.idle_share == pytest.approx(0.3)
    assert (both.seconds, both.utilisation, both.peak_memory_gib, both.energy_wh) == (40.0, 60.0, 6.0, 1.0)
    assert together(None, second) == second
    assert together(first, None) == first
    assert over_seeds([run("a", "", Summary())])[0].summary.gpu is None
