"""What the GPUs of this machine are doing, from NVML. No driver, or a call that a card does not support, is an answer,
not an error."""

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
"""Seconds to wait for a driver's answer; a healthy one takes milliseconds, a sick one may never give any."""


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One process on a GPU; `memory` in bytes. What may not be seen is None.

    `compute`: it computes there; one that only draws (a desktop) is False. `here`: it can be seen in our process table;
    one that cannot has just ended or runs in another container.
    """

    pid: int
    name: str | None = None
    user: str | None = None
    memory: int | None = None
    compute: bool = True
    here: bool = True

    @property
    def words(self) -> str:
        """`python (pid 41, ann, 12.3 GiB)`."""
        memory = f"{self.memory / GIB:.1f} GiB" if self.memory else None
        return f"{self.name or 'a process'} ({', '.join(filter(None, [f'pid {self.pid}', self.user, memory]))})"


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU at one moment. `index` is NVML's, which is CUDA's under CUDA_DEVICE_ORDER=PCI_BUS_ID.

    `utilisation` in % of time with a kernel running, memory in bytes, `power` in W, `temperature` in degrees Celsius;
    None where the card does not say.
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
        """Bytes in use that none of its processes accounts for, where it is more than a driver keeps for itself."""
        if self.memory_used is None or any(process.memory is None for process in self.processes):
            return 0
        left = self.memory_used - sum(process.memory or 0 for process in self.processes)
        return left if left > max(GIB, (self.memory_total or 0) // 50) else 0

    @property
    def users(self) -> str | None:
        """Who computes there, in words; None if it is free."""
        who = [process.words for process in self.processes if process.compute]
        if not who and self.unseen_memory:
            who = [f"processes that are not visible from here ({self.unseen_memory / GIB:.1f} GiB)"]
        return ", ".join(who) or None


class GpuReport(msgspec.Struct, frozen=True, kw_only=True):
    gpus: tuple[Gpu, ...] = ()
    error: str | None = None
    """Why `gpus` is empty, in a sentence."""


def read() -> GpuReport:
    """All GPUs now. The first call loads NVML (tens of milliseconds), later ones take about 1 ms a card. Never
    raises."""
    return _report(processes=True)


def read_loads() -> GpuReport:
    """All GPUs now, without their processes. Never raises."""
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
    except Exception as error:  # NVML's error classes are made at run time, and a broken driver raises others too
        return GpuReport(error=f"no NVML: {str(error) or type(error).__name__}")


def without_amounts(words: str) -> str:
    """Words about users of a GPU, less the amounts of memory: what stays the same while nothing happens."""
    return re.sub(r"[\d.]+ GiB", "", words)


class Asker(Protocol):
    """Who can be asked for the GPUs of one machine. Never waits longer than it is told to."""

    report: GpuReport | None
    """The newest answer to the newest question; None while it is awaited."""
    asked_at: float | None
    """Monotonic seconds of the newest question."""

    def ask(self) -> None: ...

    def wait(self, seconds: float) -> GpuReport: ...


class Watcher:
    """Reads in a thread of its own, so that whoever asks never waits. One reading at a time, each a new look."""

    def __init__(self, *, processes: bool = True) -> None:
        self._processes = processes
        self.report: GpuReport | None = None
        """The newest answer to the newest question; None while it is awaited."""
        self.asked_at: float | None = None
        """Monotonic seconds of the newest question."""
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Begin a reading, unless one is under way."""
        if self._thread is None or not self._thread.is_alive():
            self.report, self.asked_at = None, time.monotonic()
            self._thread = threading.Thread(target=self._read, name="nvml", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # no thread to be had
                self._thread, self.report = None, GpuReport(error=f"the GPU driver was not asked: {error}")

    def wait(self, seconds: float) -> GpuReport:
        """The answer to the newest question, or that there was none in that time."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.report or GpuReport(error=f"the GPU driver does not answer within {seconds:.0f} s")

    def _read(self) -> None:
        self.report = read() if self._processes else read_loads()


def read_within(seconds: float = PATIENCE) -> GpuReport:
    """All GPUs now, or why there is no answer."""
    watcher = Watcher()
    watcher.ask()
    return watcher.wait(seconds)


def _gpu(nvml: Any, index: int, processes: bool) -> Gpu:
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = _try(lambda: nvml.nvmlDeviceGetMemoryInfo(device))
    rates = _try(lambda: nvml.nvmlDeviceGetUtilizationRates(device))
    power = _try(lambda: nvml.nvmlDeviceGetPowerUsage(device))
    listed: dict[int, GpuProcess] = {}
    for compute in (False, True) if processes else ():  # one that does both computes
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
    if process is None:  # it has just ended, or is in another container: NVML gives a pid that means nothing here
        return GpuProcess(pid=pid, memory=memory, compute=compute, here=False)
    return GpuProcess(pid=pid, name=_try(process.name), user=_try(process.username), memory=memory, compute=compute)


def _try(call: Callable[[], Any]) -> Any:
    """The call's answer, None if this card, driver or process refuses it."""
    try:
        return call()
    except Exception:
        return None


def _text(value: Any) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
