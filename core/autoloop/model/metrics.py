"""The metrics of a run: series of points and their summaries."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from autoloop.model.gpu_use import GpuUse


@dataclass
class Series:
    """One metric of one run: `steps` (int64) and `values` (float64), same length, steps rising."""

    steps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return iter(zip(self.steps, self.values, strict=True))

    def append(self, step: int, value: float) -> None:
        self.steps.append(step)
        self.values.append(value)


class MetricSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one run, summarised over its finite values.

    `best` follows the metric's direction, and is None with `best_step` if no direction is known; `delta` = last - first;
    `pct` = delta / first * 100, or 0 if first is 0; `tail_mean` and `tail_mad` (median absolute deviation) are over the
    last fifth of the points, at least 3. `nan` and `inf` count the excluded values.
    """

    first: float
    last: float
    best: float | None
    best_step: int | None
    delta: float
    pct: float
    n: int
    min: float
    max: float
    tail_mean: float
    tail_mad: float
    first_step: int
    last_step: int
    nan: int = 0
    inf: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one run: its metrics by canonical name, and the last step seen."""

    metrics: Mapping[str, MetricSummary] = {}
    steps: int = 0
    not_finite: list[str] = []
    """Metrics (canonical names) whose newest value is NaN or infinite."""
    infinite: list[str] = []
    """Those of them whose newest value is positive infinity."""
    in_a_row: dict[str, int] = {}
    """For each of them, the number of consecutive newest values that are NaN or infinite."""
    gpu: GpuUse | None = None
    """None if it used no GPU, or none could be sampled."""
