"""The load of the machine: GPUs by NVML, and the process trees of runs on CPU slots.

Sampled in a thread, because NVML and /proc can be too slow for the UI thread; the newest sample is displayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from autoloop import gpus
from autoloop.files import Stamp, stamp
from autoloop.gpu_history import NAME, GpuHistory, read_history
from autoloop.model import Attempt
from autoloop.runners import procfs


class Load(msgspec.Struct, frozen=True):
    """The load of a process tree: CPU in percent of one core since the previous sample, resident memory in bytes."""

    cpu: float
    memory: int


class Sample(msgspec.Struct, frozen=True):
    gpus: gpus.GpuReport
    loads: Mapping[str, Load] = {}
    """By run id."""
    own_pids: frozenset[int] = frozenset()
    """Processes of our runs; any other process on a GPU is foreign."""


class Sampler:
    """Takes samples. Used by one thread at a time."""

    def __init__(self) -> None:
        self._seconds: dict[int, tuple[float, float]] = {}

    def take(self, attempts: Mapping[str, Attempt], *, with_gpus: bool) -> Sample:
        """Take a sample. `attempts` are the running ones, by run id."""
        report = gpus.read() if with_gpus else gpus.GpuReport()
        roots = {run: pid for run, attempt in attempts.items() if (pid := _process_of(attempt)) is not None}
        if not roots:  # runs on other machines cannot be measured here
            self._seconds = {}
            return Sample(report)
        import psutil

        loads: dict[str, Load] = {}
        own: set[int] = set()
        seconds: dict[int, tuple[float, float]] = {}
        there = procfs.processes()
        for run, pid in roots.items():
            if pid not in there:
                continue
            cpu, memory = 0.0, 0
            for each in (pid, *procfs.descendants({pid}, there)):
                try:
                    process = psutil.Process(each)
                    with process.oneshot():
                        used = sum(process.cpu_times()[:2])
                        memory += process.memory_info().rss
                        born = process.create_time()
                except psutil.Error:
                    continue
                own.add(process.pid)
                now = _now()
                before = self._seconds.get(process.pid)
                since, at = before if before else (0.0, born)
                seconds[process.pid] = (used, now)
                cpu += max(0.0, used - since) / max(0.1, now - at) * 100
            loads[run] = Load(cpu, memory)
        self._seconds = seconds
        return Sample(report, loads, frozenset(own))


def _process_of(attempt: Attempt) -> int | None:
    """Return the process started for an attempt; None if it is not visible from here."""
    handle = attempt.handle or {}
    pid, here = handle.get("pid"), handle.get("pid_ns", 0) in (0, procfs.pid_namespace())
    return pid if isinstance(pid, int) and here else None


class GpuFile:
    """The GPU history of an attempt, read again when its file changes."""

    def __init__(self) -> None:
        self._history: GpuHistory | None = None
        self._read: tuple[Path, Stamp | None] | None = None

    def of(self, directory: Path | None) -> GpuHistory | None:
        """Return the history of the attempt with this directory; None if it has none."""
        found = (directory, stamp(directory / NAME)) if directory else None
        if found != self._read:
            self._read = found
            self._history = read_history(directory) if directory and found and found[1] else None
        return self._history


def _now() -> float:
    import time

    return time.time()
