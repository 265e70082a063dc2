"""Smoothed series."""

from __future__ import annotations

import math

import pytest

from autoloop_tui.console.drawing.smoothing import Smoother
from tests.console.projects import curve


def test_smoothing_follows_a_growing_series_and_leaves_gaps_at_nan() -> None:
    series = curve(20)
    smoothed = Smoother()
    first = smoothed.of(series)
    assert first.values[0] == pytest.approx(series.values[0])  # no bias towards zero at the start
    assert smoothed.of(series) is first
    series.append(100, math.nan)
    series.append(104, 0.5)
    grown = smoothed.of(series)
    assert list(grown.values[:20]) == list(first.values)
    assert math.isnan(grown.values[20])
    assert math.isfinite(grown.values[21])
    again = Smoother().of(series)
    assert list(again.values)[21] == grown.values[21]


def test_smoothing_begins_anew_with_another_series() -> None:
    smoothed = Smoother()
    smoothed.of(curve(20, 5, 4))
    other = curve(20, 1, 0.5)
    assert list(smoothed.of(other).values) == list(Smoother().of(other).values)
