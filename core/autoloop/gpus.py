"""What the GPUs of this machine are doing, from NVML. No driver, or a call that a card does not support, is an answer,
not an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One process on a GPU; `memory` in bytes. What may not be seen is None."""

    pid: int
    name: str | None = None
    user: str | None = None
    memory: int | None = None


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU at one moment. `index` is NVML's, which is CUDA's under CUDA_DEVICE_ORDER=PCI_BUS_ID.

    `utilisation` in % of time with a kernel running, memory in bytes, `power` in W, `temperature` in degrees Celsius;
    None where the card does not say.
    """

    index: int
    name: str
    uuid: str | None = None
    utilisation: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    power: float | None = None
    power_limit: float | None = None
    temperature: int | None = None
    processes: tuple[GpuProcess, ...] = ()


class GpuReport(msgspec.Struct, frozen=True, kw_only=True):
    gpus: tuple[Gpu, ...] = ()
    error: str | None = None
    """Why `gpus` is empty, in a sentence."""


def read() -> GpuReport:
    """All GPUs now. The first call loads NVML (tens of milliseconds), later ones take about 1 ms a card. Never
    raises."""
    try:
        import pynvml
    except ImportError:
        return GpuReport(error="no NVML: the package nvidia-ml-py is not installed")
    try:
        pynvml.nvmlInit()  # counted by the library: repeated calls are cheap, and it is never shut down
        count = pynvml.nvmlDeviceGetCount()
        return GpuReport(gpus=tuple(_gpu(pynvml, index) for index in range(count)))
    except Exception as error:  # NVML's error classes are made at run time, and a broken driver raises others too
        return GpuReport(error=f"no NVML: {str(error) or type(error).__name__}")


def _gpu(nvml: Any, index: int) -> Gpu:
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = _try(lambda: nvml.nvmlDeviceGetMemoryInfo(device))
    rates = _try(lambda: nvml.nvmlDeviceGetUtilizationRates(device))
    power = _try(lambda: nvml.nvmlDeviceGetPowerUsage(device))
    limit = _try(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(device))
    busy: dict[int, int | None] = {}
    for listed in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        for process in _try(functools.partial(listed, device)) or ():
            busy[process.pid] = process.usedGpuMemory
    return Gpu(
        index=index,
        name=_text(_try(lambda: nvml.nvmlDeviceGetName(device))) or f"GPU {index}",
        uuid=_text(_try(lambda: nvml.nvmlDeviceGetUUID(device))),
        utilisation=rates.gpu if rates else None,
        memory_used=memory.used if memory else None,
        memory_total=memory.total if memory else None,
        power=power / 1000 if power is not None else None,
        power_limit=limit / 1000 if limit is not None else None,
        temperature=_try(lambda: nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU)),
        processes=tuple(_process(pid, used) for pid, used in sorted(busy.items())),
    )


def _process(pid: int, memory: int | None) -> GpuProcess:
    import psutil

    process = _try(lambda: psutil.Process(pid))
    if process is None:  # in another container: NVML gives a pid that means nothing here
        return GpuProcess(pid=pid, memory=memory)
    return GpuProcess(pid=pid, name=_try(process.name), user=_try(process.username), memory=memory)


def _try(call: Callable[[], Any]) -> Any:
    """The call's answer, None if this card, driver or process refuses it."""
    try:
        return call()
    except Exception:
        return None


def _text(value: Any) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
