"""Whole loops in which no variant is better: how many report an improvement. bench/judgement has the exact rates."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from autoloop.model import Summary
from autoloop.verdicts import Call

from bench.judgement.seeds import METRICS, called_different
from bench.judgement.simulated import ALIKE, NOISES, Trainer, compared, fixed_runs, greedy_reports_improvement, normal
from bench.judgement.simulated_loops import SimulatedLoop

LOOPS = 30


@pytest.mark.parametrize("alike", ALIKE)
@pytest.mark.parametrize("noise", NOISES)
def test_loops_of_equal_configs_report_no_improvement_in_any_metric(noise: str, alike: float) -> None:
    draw, drift = NOISES[noise]
    rng = random.Random(5)
    ended = [SimulatedLoop(rng, draw, drift, alike=alike).run() for _ in range(LOOPS)]
    assert sum(bool(loop.confirmed or loop.shown) for loop in ended) <= 0.05 * LOOPS
    single = [SimulatedLoop(rng, draw, drift, alike=alike).run_without_confirming() for _ in range(LOOPS)]
    assert sum(bool(loop.shown) for loop in single) <= 0.05 * LOOPS
    assert sum(greedy_reports_improvement(Trainer(rng, draw, drift)) for _ in range(LOOPS)) > 0.8 * LOOPS


def test_a_loop_with_something_to_find_confirms_it() -> None:
    rng = random.Random(6)
    ended = [SimulatedLoop(rng, normal, effect=lambda: 8.0).run() for _ in range(20)]
    assert sum(bool(loop.confirmed) for loop in ended) >= 16


def test_an_effect_of_one_spread_is_found_with_fewer_runs_than_a_test_with_one_look_needs() -> None:
    rng = random.Random(8)
    found = [compared(Trainer(rng, normal), 1.0) for _ in range(200)]
    share = [call for call, _ in found].count(Call.BETTER) / len(found)
    assert share >= 0.8
    assert sum(runs for _, runs in found) / len(found) <= 0.6 * fixed_runs(1.0, share)


@pytest.mark.parametrize("metric", METRICS)
def test_seeds_of_one_config_are_not_called_different(metric: str) -> None:
    """The demo's config with ten seeds, trained by `python -m bench.judgement seeds`."""
    recorded = msgspec.json.decode(Path(__file__).with_name("ten_seeds.json").read_bytes(), type=list[Summary])
    before, now, pairs = called_different(recorded, metric)
    assert pairs == 45
    assert now <= 0.05 * pairs
    assert before > 0.4 * pairs
