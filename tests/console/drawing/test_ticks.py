"""Axis labels: round numbers, evenly spaced, enough of them, in one notation."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop_tui.console.drawing.curves import Curve, Scale, fit_scale
from autoloop_tui.console.drawing.ticks import y_ticks


def labels(low: float, high: float, height: int, *, log_y: bool = False) -> list[str]:
    """Return the labels from bottom to top."""
    ticks = y_ticks(Scale(0, 1, low, high, log_y), height)
    return [ticks[row] for row in sorted(ticks, reverse=True)]


@pytest.mark.parametrize(
    ("low", "high", "height", "shown"),
    [
        (0.13, 2.07, 12, ["0.5", "1.0", "1.5", "2.0"]),
        (0.8, 1.1, 7, ["0.8", "0.9", "1.0", "1.1"]),
        (0.2, 1.2, 7, ["0.4", "0.8", "1.2"]),
        (0.0, 3e-9, 5, ["0", "1.5e-9", "3e-9"]),
        (0.0, 900_000, 8, ["0", "4e5", "8e5"]),
    ],
)
def test_values_are_round_and_at_least_three(low: float, high: float, height: int, shown: list[str]) -> None:
    assert labels(low, high, height) == shown


@pytest.mark.parametrize(
    ("low", "high", "height", "shown"),
    [
        (1e-4, 1.0, 12, ["0.0001", "0.001", "0.01", "0.1", "1"]),
        (1e-5, 1.0, 5, ["1e-5", "1e-3", "1e-1"]),
        (0.1, 100.0, 9, ["0.1", "1", "10", "100"]),
        (0.34, 0.44, 7, ["0.36", "0.40", "0.44"]),
    ],
)
def test_a_log_axis_has_decades_and_on_a_short_range_round_values(
    low: float, high: float, height: int, shown: list[str]
) -> None:
    assert labels(low, high, height, log_y=True) == shown


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(5, 40))
def test_there_are_three_labels_at_equal_distances(low: float, span: float, height: int) -> None:
    scale = fit_scale([Curve([0, 1], [low, low + span])])
    assert scale is not None
    ticks = y_ticks(scale, height)
    assert len(ticks) >= 3
    rows = sorted(ticks)
    values = [float(ticks[row]) for row in rows]
    steps = [a - b for a, b in pairwise(values)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-2) for step in steps)


def test_a_short_range_on_a_log_axis_does_not_spread_over_half_a_decade() -> None:
    scale = fit_scale([Curve([0, 1], [0.34, 0.44])], log_y=True)
    assert scale is not None
    assert (scale.y_low, scale.y_high) == (pytest.approx(0.34), pytest.approx(0.44))
