"""Whole loops in which no variant is any better: how many report an improvement. bench/judgement.py has the exact rates."""

from __future__ import annotations

import random

import pytest

from bench.judgement import NOISES, Trainer, greedy_reports_improvement, reports_improvement


@pytest.mark.parametrize("noise", NOISES)
def test_loops_of_equal_configs_report_no_improvement(noise: str) -> None:
    draw, drift = NOISES[noise]
    rng = random.Random(5)
    wrong = sum(reports_improvement(Trainer(rng, draw, drift)) for _ in range(100))
    assert wrong <= 10
    assert sum(greedy_reports_improvement(Trainer(rng, draw, drift)) for _ in range(100)) > 80


def test_a_loop_with_something_to_find_finds_it() -> None:
    rng = random.Random(6)
    draw, drift = NOISES["normal"]
    assert sum(reports_improvement(Trainer(rng, draw, drift), effect=8.0) for _ in range(20)) >= 16
