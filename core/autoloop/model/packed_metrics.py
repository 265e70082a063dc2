"""The metrics of a run as two arrays: a client of the store holds those of thousands of runs."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from autoloop.model.metrics import MetricSummary

REALS, WHOLE = 9, 6
"""Numbers of one metric in either array."""

NO_STEP = -(1 << 63)
"""Stands for a step that is not known; NaN for such a number."""


class PackedMetrics(Mapping[str, MetricSummary]):
    """Equal to the dict that it was made from, in a quarter of the memory; a metric is made again when it is asked for.

    OverflowError if a whole number has more than 64 bits.
    """

    __slots__ = ("_places", "_reals", "_whole")

    def __init__(self, metrics: Mapping[str, MetricSummary]) -> None:
        self._places = _places(tuple(metrics))
        self._reals, self._whole = array("d"), array("q")
        for m in metrics.values():
            best, best_step = math.nan if m.best is None else m.best, NO_STEP if m.best_step is None else m.best_step
            self._reals.extend((m.first, m.last, best, m.delta, m.pct, m.min, m.max, m.tail_mean, m.tail_mad))
            self._whole.extend((best_step, m.n, m.first_step, m.last_step, m.nan, m.inf))

    def __getitem__(self, name: str) -> MetricSummary:
        place = self._places[name]
        first, last, best, delta, pct, least, most, mean, mad = self._reals[place * REALS : (place + 1) * REALS]
        best_step, n, first_step, last_step, nan, inf = self._whole[place * WHOLE : (place + 1) * WHOLE]
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

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, PackedMetrics) and self._bytes == other._bytes) or super().__eq__(other)

    @property
    def _bytes(self) -> tuple[dict[str, int], bytes, bytes]:
        return self._places, self._reals.tobytes(), self._whole.tobytes()

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


@lru_cache(maxsize=256)
def _places(names: tuple[str, ...]) -> dict[str, int]:
    """Where each name stands; one dict for all runs with the same metrics."""
    return {name: place for place, name in enumerate(names)}
