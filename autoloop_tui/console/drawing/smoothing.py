"""Exponential smoothing of a growing series."""

from __future__ import annotations

import math

from autoloop.model import Series

WEIGHT = 0.8
"""The weight of the previous smoothed value."""


class Smoother:
    """Smooths one series at a time and extends the result when the series has grown."""

    def __init__(self) -> None:
        self._source: Series | None = None
        self._line = Series()
        self._seen = ""
        self._sum = self._weight = 0.0

    def of(self, series: Series) -> Series:
        """Return the series smoothed exponentially with WEIGHT and without bias towards zero at the start; non-finite values
        leave a gap."""
        if series is not self._source or len(series) < len(self._line) or self._begin(series) != self._seen:
            self._source, self._line, self._seen = series, Series(), self._begin(series)
            self._sum = self._weight = 0.0
        line = self._line
        if len(line) < len(series):
            # A new object, because charts detect changes by identity.
            line = Series(line.steps[:], line.values[:])
            for index in range(len(line), len(series)):
                value = series.values[index]
                if math.isfinite(value):
                    self._sum = WEIGHT * self._sum + (1 - WEIGHT) * value
                    self._weight = WEIGHT * self._weight + (1 - WEIGHT)
                    value = self._sum / self._weight
                line.append(series.steps[index], value)
            self._line = line
        return line

    @staticmethod
    def _begin(series: Series) -> str:
        return f"{series.steps[0]} {series.values[0]}" if len(series) else ""
