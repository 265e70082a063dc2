"""The metrics of a run packed into bytes: clients hold those of thousands of runs."""

import math
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from autoloop.model.metrics import MetricSummary

METRIC = struct.Struct("=dddqddqddddqqqq")
"""One metric: the fields of a MetricSummary in their order."""

LAST_AND_BEST = struct.Struct("=8xdd")
"""Their part of one metric."""

NO_STEP = -(1 << 63)
"""Marks an unknown step; NaN marks an unknown number."""


class PackedMetrics(Mapping[str, MetricSummary]):
    """Equal to the dict it was created from, in a quarter of the memory; metrics are decoded on access. OverflowError if an
    integer exceeds 64 bits.
    """

    __slots__ = ("_bytes", "_places")

    def __init__(self, metrics: Mapping[str, MetricSummary]) -> None:
        self._places = _places(tuple(metrics))
        try:
            self._bytes = b"".join([METRIC.pack(*_known(metric)) for metric in metrics.values()])
        except struct.error as error:
            raise OverflowError(str(error)) from error

    def __getitem__(self, name: str) -> MetricSummary:
        first, last, best, best_step, *others = METRIC.unpack_from(self._bytes, self._places[name] * METRIC.size)
        delta, pct, n, least, most, mean, mad, first_step, last_step, nan, inf = others
        return MetricSummary(
            first=first,
            last=last,
            best=None if math.isnan(best) else best,
            best_step=None if best_step == NO_STEP else best_step,
            delta=delta,
            pct=pct,
            n=n,
            min=least,
            max=most,
            tail_mean=mean,
            tail_mad=mad,
            first_step=first_step,
            last_step=last_step,
            nan=nan,
            inf=inf,
        )

    def last_and_best(self, name: str) -> tuple[float, float | None] | None:
        """Return two figures of a metric without decoding the others; None if the run has no such metric."""
        place = self._places.get(name)
        if place is None:
            return None
        last, best = LAST_AND_BEST.unpack_from(self._bytes, place * METRIC.size)
        return last, None if math.isnan(best) else best

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedMetrics) and self._places == other._places and self._bytes == other._bytes:
            return True
        return super().__eq__(other)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def last_and_best(metrics: Mapping[str, MetricSummary], name: str) -> tuple[float, float | None] | None:
    """Return the last and best value of a metric, the quickest way; None if it is not among `metrics`."""
    if isinstance(metrics, PackedMetrics):
        return metrics.last_and_best(name)
    found = metrics.get(name)
    return (found.last, found.best) if found else None


def _known(metric: MetricSummary) -> tuple[Any, ...]:
    """The numbers of a metric, including the markers for unknown values."""
    fields = msgspec.structs.astuple(metric)
    if metric.best is not None and metric.best_step is not None:
        return fields
    best, step = metric.best, metric.best_step
    return (*fields[:2], math.nan if best is None else best, NO_STEP if step is None else step, *fields[4:])


@lru_cache(maxsize=256)
def _places(names: tuple[str, ...]) -> dict[str, int]:
    """The position of each name; all runs with the same metrics share one dict."""
    return {name: place for place, name in enumerate(names)}
