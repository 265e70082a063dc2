"""GPU use of a run."""

import msgspec


class GpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """The use of a run's `gpus` GPUs over the sampled `seconds`; None for values they do not report.

    `utilisation`: % of the time with a kernel running, the mean over time and GPUs. `idle_share`: the share of time (0 to 1)
    below 5 % utilisation. `peak_memory_gib`: of the fullest GPU. `power` in W and `energy_wh` in Wh: totals of all GPUs.
    Figures include other processes on the same GPUs.
    """

    gpus: int
    seconds: float
    utilisation: float | None = None
    idle_share: float | None = None
    peak_memory_gib: float | None = None
    power: float | None = None
    energy_wh: float | None = None
