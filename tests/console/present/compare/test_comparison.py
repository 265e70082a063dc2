"""The values compared between runs, and which run is the best."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.metrics import default_book
from autoloop.model import MetricSummary
from autoloop.verdicts import Basis, Call, Statistic, Verdict

from autoloop_tui.console.drawing.glyphs import ASCII
from autoloop_tui.console.present.compare.comparison import ABSENT, compare_metrics, parameters
from autoloop_tui.console.present.flat_config import flatten

EVAL, L1 = "eval/offline_eval/avg_l1", "train/l1_loss"


def summary(last: Any, mad: float = 0.0) -> Any:
    return MetricSummary(
        first=1.0,
        last=last,
        best=last,
        best_step=1,
        delta=0.0,
        pct=0.0,
        n=9,
        min=0.0,
        max=1.0,
        tail_mean=last,
        tail_mad=mad,
        first_step=0,
        last_step=9,
    )


def test_flat_configs_keep_lists_of_values_whole_and_take_blocks_in_lists_apart() -> None:
    flat = flatten({"a": {"b": [1, 2], "x.y": 1}, "f": [{"w": 1}, {"w": 2}], "empty": {}, "none": None})
    assert flat == {"a.b": [1, 2], "a.x\\.y": 1, "f.0.w": 1, "f.1.w": 2, "empty": {}, "none": None}


def test_parameters_differ_by_value_and_by_presence_but_not_by_how_a_number_is_written() -> None:
    made = {p.path: p for p in parameters([{"a": 10, "b": 1, "wandb.mode": "x"}, {"a": 10.0, "b": True}, None])}
    assert not made["a"].differs
    assert made["b"].differs
    assert made["wandb.mode"].differs
    assert made["wandb.mode"].observing
    assert made["wandb.mode"].values == ["x", ABSENT, ABSENT]
    assert list(made)[-1] == "wandb.mode"


def on(effect: float, call: Call) -> Verdict:
    """Return a verdict based on replicates."""
    return Verdict(call, Basis.UNPAIRED, Statistic.TAIL_MEAN, effect, (4, 4), interval=(effect - 0.1, effect + 0.1))


def test_of_single_runs_none_is_best_however_far_apart() -> None:
    (made,) = compare_metrics([{L1: summary(0.5, 0.001)}, {L1: summary(0.1, 0.001)}], default_book())
    assert (made.first, made.best, made.even) == (1, False, False)
    assert made.deltas[1].piece(10) == ("-0.4", "dim")
    assert made.deltas[1].words == "within the run only"


def test_what_has_been_shown_over_seeds_has_a_colour_and_is_best() -> None:
    runs = [{L1: summary(0.5)}, {L1: summary(0.46)}, {L1: summary(0.4)}]
    calls = {(2, 0): on(-0.2, Call.BETTER), (1, 0): on(-0.01, Call.NO_DIFFERENCE), (2, 1): on(-0.19, Call.BETTER)}
    (made,) = compare_metrics(runs, default_book(), lambda ours, theirs, _: calls.get((ours, theirs)))
    near, far = made.deltas[1], made.deltas[2]
    assert near.piece(10) == ("≈ -0.01", "dim")
    assert near.piece(10, glyphs=ASCII)[0].startswith("~")
    assert far.piece(10) == ("-0.2", "slot-finished")
    assert far.words == "better (n 4, 4)"
    assert (made.first, made.best) == (2, True)


def test_runs_between_which_no_difference_is_shown_are_even() -> None:
    (made,) = compare_metrics(
        [{L1: summary(0.5)}, {L1: summary(0.48)}], default_book(), lambda *_: on(-0.02, Call.NO_DIFFERENCE)
    )
    assert (made.first, made.best, made.even) == (1, False, True)


def test_the_leader_follows_the_direction_of_the_metric_book_and_the_base_is_the_first_that_has_it() -> None:
    mass = "train/ot_pi_sum"
    runs = [{}, {mass: summary(0.5), L1: summary(0.1)}, {mass: summary(0.9), L1: summary(0.2)}]
    made = {each.metric: each for each in compare_metrics(runs, default_book())}
    assert made[mass].first == 2
    assert made[L1].first == 1
    assert made[L1].deltas[0] is None
    assert made[L1].deltas[1] is None
    assert made[L1].deltas[2].change == pytest.approx(0.1)


def test_metrics_come_as_key_metrics_then_shared_then_those_of_one_run() -> None:
    runs = [{"z": summary(1), "b": summary(1), L1: summary(1)}, {"z": summary(2), "a": summary(1), L1: summary(2)}]
    assert [each.metric for each in compare_metrics(runs, default_book())] == [L1, "z", "a", "b"]
