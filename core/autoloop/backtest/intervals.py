"""Rates over few runs, with the 95 % interval of the true rate."""

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
        """The rate (0 to 1); None if `n` is 0."""
        return self.hits / self.n if self.n else None

    def wilson(self) -> tuple[float, float]:
        """The 95 % interval of the true rate; (0, 1) if `n` is 0."""
        return wilson(self.hits, self.n)

    def to_json(self) -> RateDocument:
        return {"hits": self.hits, "n": self.n, "rate": self.value, "interval95": self.wilson()}
