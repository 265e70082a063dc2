"""Which metrics show that a change had an effect."""

from __future__ import annotations

from array import array
from math import nan

import pytest
from autoloop.model import Series
from autoloop.trial.reached import compared


def columns(**values: float) -> dict[str, Series]:
    return {name.replace("__", "/"): Series(array("q", [1]), array("d", [value])) for name, value in values.items()}


@pytest.mark.parametrize(
    "name",
    ["elapsed", "duration", "dt", "step_ms", "eta", "hours", "wall_clock", "latency", "perf/dt", "step_time", "data_s"],
)
def test_times_are_no_effect(name: str) -> None:
    one, other = ({"loss": Series(array("q", [1]), array("d", [2])), name: columns(x=x)["x"]} for x in (1, 2))
    assert compared(one, other) == (1, [])


def test_a_metric_that_repeats_the_changed_value_is_no_effect() -> None:
    one, other = columns(loss=1, seed=1, train__seed=1), columns(loss=1, seed=2, train__seed=2)
    assert compared(one, other, ["data.seed"]) == (1, [])
    assert compared(one, other, ["lr"]) == (3, ["seed", "train/seed"])


def test_nan_equals_nan() -> None:
    assert compared(columns(loss=nan), columns(loss=nan)) == (1, [])
    assert compared(columns(loss=nan), columns(loss=1)) == (1, ["loss"])


@pytest.mark.parametrize("name", ["loss", "beta", "updates", "theta", "wall_hits"])
def test_other_metrics_are_an_effect(name: str) -> None:
    assert compared(columns(**{name: 1}), columns(**{name: 2})) == (1, [name])
