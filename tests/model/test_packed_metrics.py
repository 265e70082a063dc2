"""A run's metrics stored in two arrays equal those in a dict."""

from __future__ import annotations

import pickle

import pytest
from autoloop.model import MetricSummary
from autoloop.model.packed_metrics import PackedMetrics


def metric(**changes: object) -> MetricSummary:
    numbers: dict[str, object] = {"first": 1.5, "last": -0.25, "best": -0.5, "best_step": 40, "delta": -1.75, "pct": -116.7}
    numbers |= {"n": 9, "min": -0.5, "max": 2.0, "tail_mean": 0.1, "tail_mad": 0.01, "first_step": 1, "last_step": 50}
    return MetricSummary(**(numbers | {"nan": 2, "inf": 1} | changes))  # type: ignore[arg-type]


METRICS = {
    "loss": metric(),
    "no/direction": metric(best=None, best_step=None),
    "nanoseconds": metric(best_step=(1 << 60) - 1, last_step=(1 << 60) + 1),
    "tiny": metric(first=5e-324, min=-1.7976931348623157e308, max=-0.0),
}


def test_each_metric_comes_back_as_it_was() -> None:
    packed = PackedMetrics(METRICS)
    assert dict(packed) == METRICS
    assert [*packed] == [*METRICS]
    assert packed == METRICS
    assert packed == METRICS
    assert packed == PackedMetrics(METRICS)
    assert packed != PackedMetrics(METRICS | {"loss": metric(last=1.0)})
    assert packed != PackedMetrics({"loss": metric()})
    assert "loss" in packed
    assert packed.get("lr") is None
    assert repr(packed) == repr(METRICS)
    assert pickle.loads(pickle.dumps(packed)) == METRICS
    with pytest.raises(KeyError):
        packed["lr"]


def test_what_has_no_room_is_refused() -> None:
    with pytest.raises(OverflowError):
        PackedMetrics({"loss": metric(last_step=1 << 63)})
