"""The mean and the band of runs that differ only in the seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from autoloop.model import Series

from autoloop_tui.console.present.charts.bands import SAMPLES, KnownSeeds, over_seeds


def series(values: Sequence[float], step: int = 10, start: int = 0) -> Series:
    made = Series()
    for index, value in enumerate(values):
        made.append(start + index * step, value)
    return made


def test_mean_lowest_and_highest_as_far_as_all_seeds_go() -> None:
    found = over_seeds([series([1.0, 2.0, 3.0, 9.0]), series([3.0, 6.0, math.nan])])
    assert found is not None
    assert list(found.mean.steps) == [0, 10, 20]
    assert list(found.mean.values) == [2.0, 4.0, 3.0]
    assert (found.band.lows, found.band.highs) == ([1.0, 2.0, 3.0], [3.0, 6.0, 3.0])
    assert found.label == "2 seeds, min to max"


def test_seeds_that_log_at_other_steps_count_with_their_newest_value() -> None:
    found = over_seeds([series([1.0, 2.0, 3.0]), series([5.0, 7.0], step=15, start=5)])
    assert found is not None
    assert list(found.mean.steps) == [10, 20]
    assert list(found.mean.values) == [3.5, 5.0]


@pytest.mark.parametrize("many", [[], [[1.0]], [[1.0], []]])
def test_one_seed_alone_has_no_band(many: Sequence[Sequence[float]]) -> None:
    assert over_seeds([series(values) for values in many]) is None


def test_a_long_history_is_looked_at_in_few_places_and_only_when_it_has_grown() -> None:
    long = [series([float(n % 7) for n in range(10_000)]) for _ in range(3)]
    columns = [{"loss": each} for each in long]
    known = KnownSeeds()
    found = known.of("base", "loss", columns)
    assert found is not None
    assert len(found.mean) <= SAMPLES * 2
    assert known.of("base", "loss", columns) is found
    for each in long:
        each.append(100_000, 0.0)
    assert known.of("base", "loss", columns) is not found
