"""The question to Optuna and its answer, as data that is sent to another process and back."""

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
"""Packages that a sampler needs and Optuna does not install."""


class How(StrEnum):
    """The method that chose a point."""

    MODEL = "model"
    RANDOM = "random"
    """At random, because too few configs are known for a model."""
    SPREAD = "spread"
    """The next point of a Sobol sequence."""
    LEFT = "left"
    """The sampler suggested only points that have been run; this is another one, chosen at random."""


class EvaluatedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A config of the space that has been run. `values`: the results of its finished runs, one or more over seeds. `failed`:
    no run finished, because of the config; it counts as the worst."""

    point: Point
    name: str
    """The name of its first run."""
    values: list[float] = []
    failed: bool = False

    @property
    def value(self) -> float:
        return sum(self.values) / len(self.values)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to Optuna. `taken`: further points that must not be proposed. `seed`: the same question with the same seed
    has the same answer."""

    search: Search
    good: Direction
    seed: int
    count: int
    tried: list[EvaluatedConfig]
    taken: list[Point] = []

    @property
    def axes(self) -> list[Axis]:
        return self.search.axes

    @property
    def best(self) -> EvaluatedConfig | None:
        """The best config, by the mean over its runs."""
        finished = [each for each in self.tried if each.values]
        sign = 1 if self.good == "low" else -1
        return min(finished, key=lambda each: sign * each.value, default=None)

    @property
    def runs(self) -> int:
        """The number of finished runs."""
        return sum(len(each.values) for each in self.tried)


class ProposedPoint(msgspec.Struct, frozen=True, kw_only=True):
    point: Point
    how: How


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Optuna's answer. `left`: the number of configs of the space that are neither run nor proposed; None if the space is
    too large to count. `version`: Optuna's."""

    proposed: list[ProposedPoint]
    left: int | None
    version: str


def key_of(point: Sequence[Any]) -> Hashable:
    """Return a key that is equal for points whose values are equal in JSON: 10 and 10.0 are equal, 1 and true are not."""
    return json.dumps([float(each) if isinstance(each, int) and not isinstance(each, bool) else each for each in point])


def installed(sampler: Sampler) -> None:
    """Check that the packages for a sampler are installed, without importing them. UserError if not."""
    lacking = [name for name in ("optuna", *NEEDS[sampler]) if importlib.util.find_spec(name) is None]
    if lacking:
        more = " ".join(name for name in NEEDS[sampler] if name in lacking)
        flag = "optuna" if sampler is Sampler.TPE else f"optuna:{sampler}"
        raise UserError(
            f"--propose {flag} needs {' and '.join(lacking)}, which Auto Loop's Python does not have: "
            f"pip install 'autoloop-tui[search]'{f' {more}' if more else ''}"
        )
