"""Combine the GPU use of several attempts or runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autoloop.model import GpuUse


def together(first: GpuUse | None, second: GpuUse | None) -> GpuUse | None:
    """The combined use by two attempts of a run, if the second continued from the checkpoint of the first."""
    if first is None or second is None:
        return first or second
    seconds = first.seconds + second.seconds

    def weighted(values: Sequence[float]) -> float:
        return (values[0] * first.seconds + values[1] * second.seconds) / seconds if seconds else values[-1]

    return _joined([first, second], weighted, max, sum, seconds)


def mean_use(uses: Sequence[GpuUse]) -> GpuUse | None:
    """The mean of each quantity over the runs for which it is known; None without runs."""
    return _joined(uses, _mean, _mean, _mean, _mean([each.seconds for each in uses])) if uses else None


_Join = Callable[[Sequence[float]], float]


def _joined(uses: Sequence[GpuUse], over_time: _Join, peak: _Join, total: _Join, seconds: float) -> GpuUse:
    def of(name: str, join: _Join) -> float | None:
        known = [value for each in uses if (value := getattr(each, name)) is not None]
        return known[0] if len(known) == 1 else join(known) if known else None

    return GpuUse(
        gpus=max(each.gpus for each in uses),
        seconds=seconds,
        utilisation=of("utilisation", over_time),
        idle_share=of("idle_share", over_time),
        peak_memory_gib=of("peak_memory_gib", peak),
        power=of("power", over_time),
        energy_wh=of("energy_wh", total),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
