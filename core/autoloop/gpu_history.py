"""An attempt's GPU use over time: a history of limited size, in a file beside the attempt's log."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from autoloop.files import read_regular, write_atomically
from autoloop.gpus import GIB, Gpu
from autoloop.model import GpuUse
from autoloop.model.structs import decode

NAME = "gpu.json"
MOST = 512
"""Maximum number of points; if there are more, neighbours are merged."""
EVERY = 5.0
"""Seconds between two samples, and initially between two points."""
IDLE = 5.0
"""Utilisation in % below which a GPU counts as idle."""
_LARGEST = 1 << 20


class GpuPoint(msgspec.Struct, array_like=True):
    """A summary of `samples` samples from `at` on (Unix seconds); None for values that the GPUs do not report.

    `utilisation` is the mean over the GPUs in %, `memory` the maximum in use on one of them in GiB, `power` the total of
    all in W.
    """

    at: float
    utilisation: float | None = None
    memory: float | None = None
    power: float | None = None
    samples: int = 1


class GpuHistory(msgspec.Struct, kw_only=True):
    """The points of one attempt on `gpus` GPUs, `every` seconds apart, and sums over all samples, which cannot be derived
    from merged points."""

    gpus: int
    every: float = EVERY
    points: list[GpuPoint] = []
    seconds: float = 0.0
    seconds_known: float = 0.0
    """Seconds with known utilisation; `seconds_idle` are those in which the GPUs were idle."""
    seconds_idle: float = 0.0
    busy: float = 0.0
    """Sum of utilisation in % times seconds."""
    peak: float | None = None
    """Maximum memory in use on one GPU, in GiB."""
    seconds_powered: float = 0.0
    joules: float = 0.0

    def add(self, at: float, seconds: float, cards: Sequence[Gpu]) -> None:
        """Add a sample of all its GPUs that covers `seconds` seconds. `at` is in Unix seconds."""
        sample = GpuPoint(
            at,
            _mean([float(card.utilisation) for card in cards if card.utilisation is not None]),
            max((card.memory_used / GIB for card in cards if card.memory_used is not None), default=None),
            _sum([card.power for card in cards if card.power is not None]),
        )
        self.seconds += seconds
        if sample.utilisation is not None:
            self.seconds_known += seconds
            self.seconds_idle += seconds if sample.utilisation < IDLE else 0.0
            self.busy += sample.utilisation * seconds
        if sample.memory is not None:
            self.peak = max(self.peak or 0.0, sample.memory)
        if sample.power is not None:
            self.seconds_powered += seconds
            self.joules += sample.power * seconds
        self._append(sample)
        while len(self.points) > MOST:
            self.every *= 2
            points, self.points = self.points, []
            for point in points:
                self._append(point)

    def _append(self, point: GpuPoint) -> None:
        """Append a point, or merge it into the last one if both are in the same interval."""
        last = self.points[-1] if self.points else None
        if last is None or last.at // self.every != point.at // self.every:
            self.points.append(point)
            return
        parts = (last, point)
        self.points[-1] = GpuPoint(
            last.at,
            _weighted([(each.utilisation, each.samples) for each in parts]),
            max((each.memory for each in parts if each.memory is not None), default=None),
            _weighted([(each.power, each.samples) for each in parts]),
            last.samples + point.samples,
        )

    @property
    def use(self) -> GpuUse | None:
        """The totals; None before the first sample."""
        if not self.points:
            return None
        known, powered = self.seconds_known, self.seconds_powered
        return GpuUse(
            gpus=self.gpus,
            seconds=self.seconds,
            utilisation=self.busy / known if known else None,
            idle_share=self.seconds_idle / known if known else None,
            peak_memory_gib=self.peak,
            power=self.joules / powered if powered else None,
            energy_wh=self.joules / 3600 if powered else None,
        )

    def write(self, directory: Path) -> None:
        """Replace the file in the attempt's directory. Raises OSError."""
        write_atomically(directory / NAME, msgspec.json.encode(self))


def read_history(directory: Path) -> GpuHistory | None:
    """Return the history of an attempt; None if there is none or it cannot be read."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return decode(read_regular(directory / NAME, _LARGEST), GpuHistory)
    return None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _sum(values: Sequence[float]) -> float | None:
    return sum(values) if values else None


def _weighted(values: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None
