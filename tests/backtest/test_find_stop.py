"""The earliest step at which the worse half can be stopped is where the curves settle; without proof, none is reported."""

from __future__ import annotations

import random

from autoloop.backtest import ReplayResult, SafeStop, find_stop, replay
from autoloop.rules import default_rules

from tests.backtest.past import past

NO_RULES = default_rules(())


def curves(runs: int, settles: int, *, cohort: str = "loop_1", seed: int = 0, metric: str = "loss") -> list[ReplayResult]:
    """Return runs that are in their final order from step `settles` on; before that, their values are random."""
    chance = random.Random(seed)
    found = []
    for index in range(runs):
        points = [(step, index if step >= settles else chance.random() * runs) for step in range(50, 1001, 50)]
        found.append(replay(past(f"{cohort}-{index}", *points, cohort=cohort, metric=metric), NO_RULES, metric))
    return found


def stop(runs: list[ReplayResult], risk: float = 0.1) -> SafeStop:
    return find_stop(runs, "loss", "low", risk)


def test_the_step_is_where_the_order_of_the_runs_settles() -> None:
    runs = curves(80, 300)
    found = stop(runs)
    assert found.safe is not None
    assert found.safe.step == 300
    assert found.safe.lost == (0, 40)
    assert found.safe.saved == 0.5 * 0.7
    assert (found.runs, found.cohorts) == (80, 1)


def test_runs_are_compared_within_their_loop_only() -> None:
    """In each of ten loops, the order is final from step 200 on; the levels of the loops differ arbitrarily."""
    runs = [run for loop in range(10) for run in curves(8, 200, cohort=f"loop_{loop}", seed=loop)]
    found = stop(runs)
    assert found.safe is not None
    assert (found.safe.step, found.safe.lost.n, found.cohorts) == (200, 40, 10)


def test_few_runs_prove_no_small_risk() -> None:
    found = stop(curves(8, 300))
    assert found.safe is None
    assert 0.4 < found.floor < 0.6  # none of four was lost
    assert stop(curves(8, 300), risk=0.6).safe is not None


def test_curves_that_cross_to_the_end_give_no_step() -> None:
    found = stop(curves(80, 1000))
    assert found.safe is None
    assert found.floor <= 0.1


def test_an_early_step_that_looks_safe_by_chance_is_not_taken_if_a_later_one_is_not() -> None:
    """In order until 400, random until 700, then in order again."""
    chance = random.Random(1)
    runs = []
    for index in range(80):
        points = [(step, chance.random() * 80 if 400 < step < 700 else float(index)) for step in range(50, 1001, 50)]
        runs.append(replay(past(str(index), *points), NO_RULES, "loss"))
    found = stop(runs)
    assert found.safe is not None
    assert found.safe.step == 700


def test_values_after_a_step_do_not_count_there() -> None:
    runs = curves(80, 300)
    cut = [replay(past(run.facts.id, *[p for p in run.curve or () if p[0] <= 600]), NO_RULES, "loss") for run in runs]
    whole, early = stop(runs), stop(cut)
    tried = {each.step: each.lost for each in early.tried}
    assert {each.step: each.lost for each in whole.tried if each.step in tried} == tried


def test_without_four_finished_runs_of_a_length_there_is_nothing_to_try() -> None:
    assert stop(curves(3, 300)).tried == []
    assert stop([]).tried == []
