"""Reads the state of this machine's GPUs from NVML. A missing driver or an unsupported call is a result, not an
exception."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

GIB = 1 << 30
PATIENCE = 20.0
"""Seconds to wait for the driver; a healthy one answers within milliseconds, a broken one may never answer."""


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One process on a GPU; `memory` is in bytes. Fields that we may not read are None.

    `compute`: it computes on the GPU; False for one that only draws (a desktop). `here`: it is visible in our process
    table; if not, it has just ended or runs in another container.
    """

    pid: int
    name: str | None = None
    user: str | None = None
    memory: int | None = None
    compute: bool = True
    here: bool = True

    @property
    def words(self) -> str:
        """Description for users: `python (pid 41, ann, 12.3 GiB)`."""
        memory = f"{self.memory / GIB:.1f} GiB" if self.memory else None
        return f"{self.name or 'a process'} ({', '.join(filter(None, [f'pid {self.pid}', self.user, memory]))})"


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU at one moment. `index` is NVML's, which equals CUDA's with CUDA_DEVICE_ORDER=PCI_BUS_ID.

    `utilisation` is the % of time with a kernel running; memory is in bytes, `power` in W, `temperature` in degrees
    Celsius. Values that the GPU does not report are None.
    """

    index: int
    name: str
    utilisation: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    power: float | None = None
    temperature: int | None = None
    processes: tuple[GpuProcess, ...] = ()

    @property
    def unseen_memory(self) -> int:
        """Bytes in use that no listed process accounts for; 0 if no more than a driver itself may use, or if unknown."""
        if self.memory_used is None or any(process.memory is None for process in self.processes):
            return 0
        left = self.memory_used - sum(process.memory or 0 for process in self.processes)
        return left if left > max(GIB, (self.memory_total or 0) // 50) else 0

    @property
    def users(self) -> str | None:
        """The processes that compute there, as text; None if the GPU is free."""
        who = [process.words for process in self.processes if process.compute]
        if not who and self.unseen_memory:
            who = [f"processes that are not visible from here ({self.unseen_memory / GIB:.1f} GiB)"]
        return ", ".join(who) or None


class GpuReport(msgspec.Struct, frozen=True, kw_only=True):
    gpus: tuple[Gpu, ...] = ()
    error: str | None = None
    """Why `gpus` is empty, as text for users."""


def read() -> GpuReport:
    """Read all GPUs. The first call loads NVML (tens of milliseconds); later calls take about 1 ms per GPU. Never
    raises."""
    return _report(processes=True)


def read_loads() -> GpuReport:
    """Read all GPUs without their processes. Never raises."""
    return _report(processes=False)


def _report(*, processes: bool) -> GpuReport:
    try:
        import pynvml
    except ImportError:
        return GpuReport(error="no NVML: the package nvidia-ml-py is not installed")
    try:
        pynvml.nvmlInit()  # counted by the library: repeated calls are cheap, and it is never shut down
        count = pynvml.nvmlDeviceGetCount()
        return GpuReport(gpus=tuple(_gpu(pynvml, index, processes) for index in range(count)))
    except Exception as error:  # NVML's exception classes are created at run time, and a broken driver raises others too
        return GpuReport(error=f"no NVML: {str(error) or type(error).__name__}")


def without_amounts(words: str) -> str:
    """Remove the amounts of memory from a description of a GPU's users, so that it is stable while nothing changes."""
    return re.sub(r"[\d.]+ GiB", "", words)


class GpuSource(Protocol):
    """Asks for the GPUs of one machine. Never waits longer than requested."""

    report: GpuReport | None
    """The answer to the latest request; None while it is awaited."""
    asked_at: float | None
    """When the latest request was made, in monotonic seconds."""

    def ask(self) -> None: ...

    def wait(self, seconds: float) -> GpuReport: ...


class Watcher:
    """Reads the GPUs in a thread, so that `ask` never blocks. One reading at a time, never a cached one."""

    def __init__(self, *, processes: bool = True) -> None:
        self._processes = processes
        self.report: GpuReport | None = None
        """The answer to the latest request; None while it is awaited."""
        self.asked_at: float | None = None
        """When the latest request was made, in monotonic seconds."""
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Start a reading, unless one is running."""
        if self._thread is None or not self._thread.is_alive():
            self.report, self.asked_at = None, time.monotonic()
            self._thread = threading.Thread(target=self._read, name="nvml", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # no thread can be started
                self._thread, self.report = None, GpuReport(error=f"the GPU driver was not asked: {error}")

    def wait(self, seconds: float) -> GpuReport:
        """Wait for the answer to the latest request; after `seconds`, return a report with an error instead."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.report or GpuReport(error=f"the GPU driver does not answer within {seconds:.0f} s")

    def _read(self) -> None:
        self.report = read() if self._processes else read_loads()


def read_within(seconds: float = PATIENCE) -> GpuReport:
    """Read all GPUs, waiting at most `seconds`; the report has an error if there was no answer."""
    watcher = Watcher()
    watcher.ask()
    return watcher.wait(seconds)


def _gpu(nvml: Any, index: int, processes: bool) -> Gpu:
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = _try(lambda: nvml.nvmlDeviceGetMemoryInfo(device))
    rates = _try(lambda: nvml.nvmlDeviceGetUtilizationRates(device))
    power = _try(lambda: nvml.nvmlDeviceGetPowerUsage(device))
    listed: dict[int, GpuProcess] = {}
    for compute in (False, True) if processes else ():  # a process with both counts as computing
        name = "nvmlDeviceGetComputeRunningProcesses" if compute else "nvmlDeviceGetGraphicsRunningProcesses"
        for process in _try(functools.partial(getattr(nvml, name), device)) or ():
            listed[process.pid] = _process(process.pid, process.usedGpuMemory, compute)
    return Gpu(
        index=index,
        name=_text(_try(lambda: nvml.nvmlDeviceGetName(device))) or f"GPU {index}",
        utilisation=rates.gpu if rates else None,
        memory_used=memory.used if memory else None,
        memory_total=memory.total if memory else None,
        power=power / 1000 if power is not None else None,
        temperature=_try(lambda: nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU)),
        processes=tuple(listed[pid] for pid in sorted(listed)),
    )


def _process(pid: int, memory: int | None, compute: bool) -> GpuProcess:
    import psutil

    process = _try(lambda: psutil.Process(pid))
    if process is None:  # it has just ended, or is in another container and the pid is meaningless here
        return GpuProcess(pid=pid, memory=memory, compute=compute, here=False)
    return GpuProcess(pid=pid, name=_try(process.name), user=_try(process.username), memory=memory, compute=compute)


def _try(call: Callable[[], Any]) -> Any:
    """Return the call's result; None if this GPU, driver or process does not allow it."""
    try:
        return call()
    except Exception:
        return None


def _text(value: Any) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
