"""GPU use, in words."""

from __future__ import annotations

from autoloop.model import GpuUse
from autoloop.text.values import NOTHING, number


def gpu_use_text(use: GpuUse) -> str:
    """`utilisation 87 %, idle 4 % of the time, memory up to 12.3 GiB, 312 W, 1.2 kWh`; unknown values are omitted."""
    return ", ".join(gpu_use_facts(use))


def gpu_use_facts(use: GpuUse) -> list[str]:
    """The parts of `gpu_use_text`, in order."""
    parts = []
    if use.utilisation is not None:
        parts.append(f"utilisation {use.utilisation:.0f} %")
    if use.idle_share is not None:
        parts.append(f"idle {use.idle_share:.0%} of the time".replace("%", " %"))
    if use.peak_memory_gib is not None:
        parts.append(f"memory up to {memory_text(use)}")
    if use.power is not None:
        parts.append(f"{use.power:.0f} W")
    if use.energy_wh is not None:
        parts.append(energy_text(use))
    return parts


def memory_text(use: GpuUse) -> str:
    """`12.3 GiB`: the peak memory use of one of the GPUs."""
    return NOTHING if use.peak_memory_gib is None else f"{number(use.peak_memory_gib, 3)} GiB"


def energy_text(use: GpuUse) -> str:
    """`310 Wh`, `1.2 kWh`."""
    if use.energy_wh is None:
        return NOTHING
    return f"{number(use.energy_wh / 1000, 3)} kWh" if use.energy_wh >= 1000 else f"{number(use.energy_wh, 3)} Wh"
