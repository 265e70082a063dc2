"""How much of its GPUs a run has used."""

import msgspec


class GpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """The use of a run's `gpus` GPUs over the `seconds` in which they were sampled; None for what they do not report.

    `utilisation`: % of the time with a kernel running, the mean over time and GPUs. `idle_share`: of the time, 0 to 1, in
    which that was below 5 %. `peak_memory_gib`: of the GPU that was fullest. `power` in W and `energy_wh` in Wh: of all
    together. A GPU reports what all its processes do: another one's are included.
    """

    gpus: int
    seconds: float
    utilisation: float | None = None
    idle_share: float | None = None
    peak_memory_gib: float | None = None
    power: float | None = None
    energy_wh: float | None = None
