"""Rates of few runs, with the interval in which the true rate lies."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple


class Rate(NamedTuple):
    """`hits` of `n`."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """None of nothing."""
        return self.hits / self.n if self.n else None

    def wilson(self, confidence: float = 0.95) -> tuple[float, float]:
        """The two-sided Wilson interval; (0, 1) of nothing."""
        if not self.n:
            return 0.0, 1.0
        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        share, n = self.hits / self.n, self.n
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        # At the ends rounding would leave a trace beside 0 and 1.
        return (0.0 if not self.hits else middle - half), (1.0 if self.hits == n else middle + half)

    def to_json(self) -> dict[str, float | int | list[float] | None]:
        return {"hits": self.hits, "n": self.n, "rate": self.value, "interval95": list(self.wilson())}
