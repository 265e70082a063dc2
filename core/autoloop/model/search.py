"""The search of a loop when its rules propose nothing: the space of values around its configs, and its sampler."""

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
    """Covers the space evenly, regardless of results."""

    @property
    def words(self) -> str:
        """As the author of proposals: `optuna (TPE)`."""
        return f"optuna ({self.value.upper()})"


class Axis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A config path and its allowed values: from `low` to `high` inclusive, or one of `values`."""

    path: str
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Equal ratios are equally likely, not equal differences."""
    step: int | float | None = None
    """Only `low` plus integer multiples of it; at least 1 if `whole`."""
    whole: bool = False
    """Whole numbers only."""
    values: list[Any] = []


class Search(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`axes` is empty until the loop is planned, which checks them against its configs."""

    sampler: Sampler = Sampler.TPE
    axes: list[Axis] = []
