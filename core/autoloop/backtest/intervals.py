"""Rates of few runs, with the interval in which the true rate lies."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from autoloop.verdicts.distributions import wilson


class RateDocument(TypedDict):
    """`hits` of `n`, with the 95 % interval of the true rate."""

    hits: int
    n: int
    rate: float | None
    interval95: tuple[float, float]


class Rate(NamedTuple):
    """`hits` of `n`."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """None of nothing."""
        return self.hits / self.n if self.n else None

    def wilson(self) -> tuple[float, float]:
        """The 95 % interval; (0, 1) of nothing."""
        return wilson(self.hits, self.n)

    def to_json(self) -> RateDocument:
        return {"hits": self.hits, "n": self.n, "rate": self.value, "interval95": self.wilson()}
