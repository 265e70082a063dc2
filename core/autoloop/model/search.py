"""What a loop searches when its rules have nothing to say: a space of values around its configs, and how it is sampled."""

from enum import StrEnum
from typing import Any

import msgspec


class Sampler(StrEnum):
    """How Optuna chooses the next configs."""

    TPE = "tpe"
    """Models good and bad configs by densities; random until it knows a few."""
    GP = "gp"
    """Models the metric by a Gaussian process; random until it knows a few."""
    QMC = "qmc"
    """Covers the space evenly, whatever has come of it."""

    @property
    def words(self) -> str:
        """As the author of proposals: `optuna (TPE)`."""
        return f"optuna ({self.value.upper()})"


class Axis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path of the config and what it may be: from `low` to `high`, both included, or one of `values`."""

    path: str
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Equal ratios are equally likely, not equal differences."""
    step: int | float | None = None
    """Only `low` plus whole multiples of it; of whole numbers at least 1."""
    whole: bool = False
    """Whole numbers only."""
    values: list[Any] = []


class Search(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`axes`: empty until the loop is planned, when they have been checked against its configs."""

    sampler: Sampler = Sampler.TPE
    axes: list[Axis] = []
