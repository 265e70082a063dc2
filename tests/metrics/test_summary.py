"""From columns to canonical columns to statistics, and the format of the summary file."""

from __future__ import annotations

import json
import math
import statistics
import sys
from array import array
from typing import Any

import pytest
from autoloop.metrics import (
    canonical_columns,
    default_book,
    from_json,
    parse_metric_book,
    summarise,
    to_json,
)
from autoloop.model import MetricSummary, Series, Summary, UserError
from hypothesis import given
from hypothesis import strategies as st

BOOK = default_book()
NAN, INF = math.nan, math.inf


def series(*values: float, start: int = 50, every: int = 50) -> Series:
    return Series(array("q", range(start, start + every * len(values), every)), array("d", values))


def one(name: str, *values: float) -> MetricSummary:
    return summarise({name: series(*values)}, BOOK).metrics[name]


# ------------------------------------------------------------------------------------------------- columns


def test_aliases_give_way_to_the_first_name_that_has_points_and_nothing_is_lost() -> None:
    columns = {
        "train/ot_ot_loss": series(1.0),
        "train/ot": series(2.0),
        "train/ot_ot_cost/observation.state": series(3.0),
        "train/ot_ot_cost/action": series(4.0),
        "train/ot_ot_cost/wrist": series(5.0),
        "train/ot_loss": series(),
        "eval/custom": series(6.0),
    }
    named = canonical_columns(columns, BOOK)
    assert {name: column.values[0] for name, column in named.items()} == {
        "train/ot_loss": 1.0,
        "train/ot": 2.0,
        "train/ot_cost/action_lbl": 4.0,
        "train/ot_cost/observation.state": 3.0,
        "train/ot_cost/wrist": 5.0,
        "eval/custom": 6.0,
        "ot_cost": 4.0,
    }


def test_a_column_keeps_its_name_when_another_would_be_renamed_to_it() -> None:
    columns = {"train/ot_ot_cost/wrist": series(1.0), "train/ot_cost/wrist": series(2.0)}
    assert {name: column.values[0] for name, column in canonical_columns(columns, BOOK).items()} == {
        "train/ot_ot_cost/wrist": 1.0,
        "train/ot_cost/wrist": 2.0,
    }


def test_counters_and_empty_columns_are_no_metrics() -> None:
    columns = {"_step": series(1.0), "train/Optimization step": series(1.0), "train/loss": series()}
    assert canonical_columns(columns, BOOK) == {}
    assert summarise(columns, BOOK) == Summary(metrics={}, steps=0)


def test_the_cost_is_the_action_term_or_else_an_image_term_or_else_absent() -> None:
    image = {"train/ot_cost/img_wrist": series(2.0), "train/ot_cost/img_side": series(3.0)}
    assert canonical_columns(image, BOOK)["ot_cost"].values[0] == 3.0
    assert canonical_columns({"train/ot_cost/img_wrist": series(2.0)}, BOOK)["ot_cost"].values[0] == 2.0
    several = {"train/ot_cost/img_z": series(9.0), "train/ot_cost/img_a": series(4.0)}
    assert canonical_columns(several, BOOK)["ot_cost"].values[0] == 4.0
    camera = {"train/ot_ot_cost/observation.images.wrist": series(7.0)}
    assert canonical_columns(camera, BOOK)["ot_cost"].values[0] == 7.0
    assert "ot_cost" not in canonical_columns({"train/ot_cost/other": series(2.0)}, BOOK)


def test_the_diagonal_ratio_is_taken_where_both_are_known() -> None:
    columns = {"train/ot_pi_diag": series(0.1, 0.2), "train/ot_pi_sum": series(0.2, 0.8)}
    assert list(canonical_columns(columns, BOOK)["diag_ratio"]) == [
        (50, pytest.approx(0.5)),
        (100, pytest.approx(0.25)),
    ]
    columns["train/ot_pi_sum"] = series(0.4, 0.8, start=100)
    assert list(canonical_columns(columns, BOOK)["diag_ratio"]) == [(100, pytest.approx(0.5))]
    columns["train/ot_pi_sum"] = series(0.4, start=7)
    assert "diag_ratio" not in canonical_columns(columns, BOOK)


def test_a_ratio_of_underflown_or_missing_mass_is_no_error() -> None:
    columns = {"train/ot_pi_diag": series(0.0, 2.6e-85, NAN), "train/ot_pi_sum": series(0.0, 2.6e-85, 1.0)}
    values = list(canonical_columns(columns, BOOK)["diag_ratio"].values)
    assert values[:2] == [0.0, pytest.approx(2.6e-76)]
    assert math.isnan(values[2])
    plain = parse_metric_book('[[derived]]\nname = "r"\nratio = ["a", "b"]', "r.toml")
    divided = canonical_columns({"a": series(1.0, 1.0), "b": series(0.0, 2.0)}, plain)["r"].values
    assert math.isnan(divided[0])
    assert divided[1] == 0.5


# ------------------------------------------------------------------------------------------------- statistics


def test_a_metric_is_summarised_by_first_last_best_and_change() -> None:
    assert one("train/loss", 4.0, 1.0, 2.0, 3.0) == MetricSummary(
        first=4.0,
        last=3.0,
        best=1.0,
        best_step=100,
        delta=-1.0,
        pct=-25.0,
        n=4,
        min=1.0,
        max=4.0,
        tail_mean=2.0,
        tail_mad=1.0,
        first_step=50,
        last_step=200,
    )


def test_best_follows_the_direction_and_is_the_first_of_equals() -> None:
    mass = one("train/ot_pi_sum", 0.1, 0.3, 0.3, 0.2)
    assert (mass.best, mass.best_step) == (0.3, 100)
    loss = one("train/loss", 0.5, 0.1, 0.1)
    assert (loss.best, loss.best_step) == (0.1, 100)


def test_nan_and_infinity_are_counted_and_never_first_last_or_best() -> None:
    found = one("train/ot_pi_sum", NAN, 0.1, INF, 0.2, -INF, NAN)
    assert (found.first, found.last, found.best, found.best_step) == (0.1, 0.2, 0.2, 200)
    assert (found.min, found.max, found.n, found.nan, found.inf) == (0.1, 0.2, 2, 2, 2)
    assert (found.first_step, found.last_step) == (100, 200)


def test_a_metric_without_a_finite_value_is_left_out_but_can_be_told_and_its_steps_count() -> None:
    columns = {"train/loss": series(NAN, INF, NAN), "train/l1_loss": series(1.0), "train/ot": series(1.0, INF)}
    summary = summarise(columns, BOOK)
    assert set(summary.metrics) == {"train/l1_loss", "train/ot_loss"}
    assert summary.steps == 150
    assert summary.not_finite == ["train/loss", "train/ot_loss"]


def test_the_percentage_is_zero_where_the_first_value_is_zero() -> None:
    assert one("train/loss", 0.0, 5.0).pct == 0.0


def test_underflown_and_overflowing_values_stay_finite_numbers() -> None:
    tiny = one("train/ot_pi_sum", 2.6e-85, 5.2e-85)
    assert (tiny.pct, tiny.delta) == (pytest.approx(100.0), pytest.approx(2.6e-85))
    assert one("train/ot_pi_sum", 5e-324, 1.0).pct == sys.float_info.max
    huge = one("train/loss", -1.7e308, 1.7e308, 1.7e308)
    assert huge.delta == sys.float_info.max
    assert huge.n == 3
    assert math.isfinite(huge.tail_mean)
    json.dumps(to_json(Summary(metrics={"x": huge})), allow_nan=False)


def test_the_tail_is_the_last_fifth_but_at_least_three_points() -> None:
    assert one("train/loss", *range(100)).tail_mean == pytest.approx(sum(range(80, 100)) / 20)
    assert one("train/loss", *range(100)).tail_mad == 5.0
    assert one("train/loss", 9.0, 1.0, 2.0, 6.0).tail_mean == pytest.approx(3.0)
    assert one("train/loss", 9.0, 1.0).tail_mean == 5.0
    assert one("train/loss", 9.0).tail_mad == 0.0


@given(st.lists(st.floats(), min_size=1, max_size=40))
def test_a_summary_holds_finite_numbers_whatever_was_logged(values: list[float]) -> None:
    summary = summarise({"m_loss": series(*values)}, BOOK)
    finite = [value for value in values if math.isfinite(value)]
    assert bool(finite) == ("m_loss" in summary.metrics)
    assert summary.steps == 50 * len(values)
    if finite:
        metric = summary.metrics["m_loss"]
        assert (metric.first, metric.last, metric.n) == (finite[0], finite[-1], len(finite))
        assert metric.best == metric.min == min(finite)
        assert metric.max == max(finite)
        assert metric.n + metric.nan + metric.inf == len(values)
        assert metric.best_step is not None
        assert values[metric.best_step // 50 - 1] == metric.best
        json.dumps(to_json(summary), allow_nan=False)
        if all(abs(value) < 1e300 for value in finite):
            tail = finite[-min(len(finite), max(3, -(-len(finite) // 5))) :]
            middle = statistics.median(tail)
            assert metric.tail_mad == pytest.approx(statistics.median([abs(value - middle) for value in tail]))
            assert metric.tail_mean == pytest.approx(statistics.fmean(tail), abs=max(map(abs, tail)) * 1e-12)


# ------------------------------------------------------------------------------------------------- summary file


def test_an_entry_has_the_shape_that_scripts_read_and_reads_back_equal() -> None:
    summary = summarise({"train/loss": series(4.0, NAN, 1.0), "eval/offline_eval/avg_l1": series(0.5, 0.25)}, BOOK)
    entry = to_json(summary)
    assert list(entry) == ["train/loss", "eval/offline_eval/avg_l1", "steps"]
    assert list(entry["train/loss"])[:6] == ["first", "last", "best", "best_step", "delta", "pct"]
    assert entry["steps"] == 150
    assert from_json(json.loads(json.dumps(entry, allow_nan=False))) == summary


def test_the_smaller_entries_of_the_original_scripts_are_read() -> None:
    entry = {
        "train/loss": {"first": 4, "last": 3.0, "best": 1.0, "best_step": 100, "delta": -1.0, "pct": -25.0},
        "steps": 200,
    }
    metric = from_json(entry).metrics["train/loss"]
    assert metric == MetricSummary(
        first=4.0,
        last=3.0,
        best=1.0,
        best_step=100,
        delta=-1.0,
        pct=-25.0,
        n=8,
        min=1.0,
        max=4.0,
        tail_mean=3.0,
        tail_mad=0.0,
        first_step=0,
        last_step=200,
    )
    still = from_json({"m": {"first": 2.0, "last": 2.0}, "steps": 5}).metrics["m"]
    assert (still.n, still.best, still.pct, still.best_step) == (1, 2.0, 0.0, 5)


def test_what_is_no_metric_in_an_entry_is_left_out() -> None:
    entry = {
        "a": {"first": 1.0, "best": 1.0},
        "b": None,
        "c": {"first": 1, "last": True},
        "d": {},
        "steps": "many",
        "e": {"first": 1, "last": 10**400},
        "f": {"first": 1, "last": 1, "best": None, "nan": NAN},
    }
    summary = from_json(entry)
    assert set(summary.metrics) == {"f"}
    assert summary.steps == 0


def test_old_names_in_an_entry_count_as_in_a_history() -> None:
    entry = {"train/ot_ot_pi_sum": {"last": 2.6e-85}, "train/ot_ot_cost/wrist": {"last": 1.0}, "steps": 1900}
    summary = from_json(entry)
    assert set(summary.metrics) == {"train/ot_pi_sum", "train/ot_cost/wrist"}
    both = {"train/ot": {"last": 1.0}, "train/ot_loss": {"last": 2.0}}
    assert set(from_json(both).metrics) == {"train/ot", "train/ot_loss"}


def test_an_entry_of_last_values_is_one_point_of_each() -> None:
    only = from_json({"m": {"last": 2.5}, "steps": 40}).metrics["m"]
    assert (only.first, only.last, only.best, only.pct, only.n) == (2.5, 2.5, 2.5, 0.0, 1)
    assert from_json({"m": {"first": NAN, "last": 2.5}}).metrics["m"].n == 1
    flat = {"first": 2.5, "last": 2.5, "best": 2.5, "best_step": 1, "delta": 0.0, "pct": 0.0}
    assert from_json({"m": flat, "steps": 40}).metrics["m"].n == 8  # its best value is not its last, so there were more


@pytest.mark.parametrize(
    ("value", "infinite"), [(NAN, False), (math.inf, True), (-math.inf, False), ("Infinity", True), ("NaN", False)]
)
def test_a_metric_that_ends_as_no_number_is_named_in_a_summary(value: Any, infinite: bool) -> None:
    summary = from_json({"train/grad_norm": {"first": 1.0, "last": value}, "steps": 40})
    assert (summary.metrics, summary.not_finite) == ({}, ["train/grad_norm"])
    assert summary.infinite == (["train/grad_norm"] if infinite else [])


def test_how_a_metric_ended_outlasts_the_entry() -> None:
    ended = summarise({"train/grad_norm": series(1.0, 2.0, math.inf), "train/loss": series(1.0, NAN, NAN)}, BOOK)
    assert (ended.infinite, ended.in_a_row) == (["train/grad_norm"], {"train/grad_norm": 1, "train/loss": 2})
    again = from_json(json.loads(json.dumps(to_json(ended), allow_nan=False)))
    assert (again.not_finite, again.infinite) == (ended.not_finite, ended.infinite)


@pytest.mark.parametrize("entry", [[], None, 3, "text"])
def test_an_entry_that_is_no_object_is_refused(entry: Any) -> None:
    with pytest.raises(UserError, match="must be an object"):
        from_json(entry)


def test_of_a_metric_whose_better_direction_nobody_knows_no_value_is_the_best() -> None:
    found = one("something", 3.0, 1.0, 2.0)
    assert (found.best, found.best_step) == (None, None)
    assert (found.min, found.max, found.last) == (1.0, 3.0, 2.0)
    entry = to_json(Summary(metrics={"something": found}))["something"]
    assert (entry["best"], entry["best_step"]) == (None, None)
