"""GPU readings from a simulated driver: answers, refusals, and no driver at all."""

from __future__ import annotations

import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from autoloop import gpus

from tests.support.waiting import PATIENCE


class Driver:
    """Two cards; the second one answers only queries for its name and memory."""

    NVML_TEMPERATURE_GPU = 0

    def __init__(self, failing: Exception | None = None) -> None:
        self.failing = failing

    def nvmlInit(self) -> None:
        if self.failing:
            raise self.failing

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, device: int) -> bytes:
        return b"NVIDIA H200"

    def nvmlDeviceGetMemoryInfo(self, device: int) -> Any:
        return SimpleNamespace(used=8 << 30, total=141 << 30)

    def __getattr__(self, name: str) -> Any:
        answers = {
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=97, memory=40),
            "nvmlDeviceGetPowerUsage": 412_500,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetComputeRunningProcesses": [
                SimpleNamespace(pid=os.getpid(), usedGpuMemory=5 << 30),
                SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None),
            ],
            "nvmlDeviceGetGraphicsRunningProcesses": [],
        }

        def call(device: int, *_: object) -> Any:
            if device == 1:
                raise RuntimeError("Not Supported")
            return answers[name]

        return call


def test_a_card_is_read_with_its_units_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver())
    report = gpus.read()
    assert report.error is None
    card = report.gpus[0]
    assert (card.index, card.name) == (0, "NVIDIA H200")
    assert (card.utilisation, card.memory_used, card.memory_total) == (97, 8 << 30, 141 << 30)
    assert (card.power, card.temperature) == (412.5, 61)
    mine, foreign = card.processes
    assert (mine.pid, mine.memory) == (os.getpid(), 5 << 30)
    assert mine.name
    assert mine.user
    assert (mine.here, mine.compute) == (True, True)
    assert (foreign.name, foreign.user, foreign.memory, foreign.here) == (None, None, None, False)
    assert foreign.words in str(card.users)


def test_what_a_card_does_not_support_is_unknown_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver())
    card = gpus.read().gpus[1]
    assert card.memory_total == 141 << 30
    assert (card.utilisation, card.power, card.temperature, card.processes) == (None, None, None, ())


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (None, "no NVML: the package nvidia-ml-py is not installed"),
        (Driver(RuntimeError("Driver Not Loaded")), "no NVML: Driver Not Loaded"),
        (Driver(OSError()), "no NVML: OSError"),
    ],
)
def test_without_a_driver_there_are_no_gpus_and_a_sentence_why(
    monkeypatch: pytest.MonkeyPatch, module: object, sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert gpus.read() == gpus.GpuReport(error=sentence)


def test_a_driver_that_does_not_answer_is_an_answer_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(gpus, "read", lambda: answers.wait() and gpus.GpuReport())
    assert "does not answer" in str(gpus.read_within(0.01).error)
    answers.set()


def test_a_reading_that_is_asked_for_again_is_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = iter([gpus.GpuReport(error="first"), gpus.GpuReport(error="second")])
    monkeypatch.setattr(gpus, "read", lambda: next(reports))
    watcher = gpus.Watcher()
    assert watcher.report is None
    for error in ("first", "second"):
        watcher.ask()
        assert watcher.wait(PATIENCE).error == error
