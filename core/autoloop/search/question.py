"""What Optuna is asked and what it answers, as data that goes to another process and back."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Hashable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from autoloop.metrics import Direction
from autoloop.model import Axis, Sampler, Search, UserError

Point = list[Any]
"""A value for each axis of a space."""

NEEDS = {Sampler.TPE: (), Sampler.GP: ("scipy", "torch"), Sampler.QMC: ("scipy",)}
"""Packages that Optuna itself does not bring."""


class How(StrEnum):
    """How a point was chosen."""

    MODEL = "model"
    RANDOM = "random"
    """Too few configs are known for a model."""
    SPREAD = "spread"
    """As the next point of a Sobol sequence."""
    LEFT = "left"
    """The sampler had only points that have been run; this is one of the others."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A config of the space that has been run: what its finished runs, one or more over seeds, came to. `failed`: none of
    them finished, and the config is to blame; it counts as the worst."""

    point: Point
    name: str
    """Of the first of its runs."""
    values: list[float] = []
    failed: bool = False

    @property
    def value(self) -> float:
        return sum(self.values) / len(self.values)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`taken`: further points that are not to be proposed. `seed`: the same question with the same seed has the same
    answer."""

    search: Search
    good: Direction
    seed: int
    count: int
    tried: list[Tried]
    taken: list[Point] = []

    @property
    def axes(self) -> list[Axis]:
        return self.search.axes

    @property
    def best(self) -> Tried | None:
        """The best config, by the mean over its runs."""
        finished = [each for each in self.tried if each.values]
        sign = 1 if self.good == "low" else -1
        return min(finished, key=lambda each: sign * each.value, default=None)

    @property
    def runs(self) -> int:
        """Finished ones."""
        return sum(len(each.values) for each in self.tried)


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    point: Point
    how: How


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`left`: how many configs of the space are neither run nor proposed; None if they cannot be counted. `version`: that
    of Optuna."""

    proposed: list[Proposed]
    left: int | None
    version: str


def key_of(point: Sequence[Any]) -> Hashable:
    """Equal for points whose values are equal as JSON has them: 10 and 10.0 are, 1 and true are not."""
    return json.dumps([float(each) if isinstance(each, int) and not isinstance(each, bool) else each for each in point])


def installed(sampler: Sampler) -> None:
    """UserError if what the sampler needs is not installed. Loads nothing."""
    lacking = [name for name in ("optuna", *NEEDS[sampler]) if importlib.util.find_spec(name) is None]
    if lacking:
        more = " ".join(name for name in NEEDS[sampler] if name in lacking)
        flag = "optuna" if sampler is Sampler.TPE else f"optuna:{sampler}"
        raise UserError(
            f"--propose {flag} needs {' and '.join(lacking)}, which Auto Loop's Python lacks: "
            f"pip install 'autoloop-tui[search]'{f' {more}' if more else ''}"
        )
