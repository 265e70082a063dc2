"""The program for machines with a GPU, as far as it runs without one: the driver is simulated, runs and engine are real."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop import gpus
from autoloop.gpus import GIB, Gpu, GpuReport

from bench import gpu
from bench.gpu_loops import Gpus, parse_smi

SMI = "0, NVIDIA H100 80GB HBM3, 81559, 4500, 97, 412.50, 61\n1, NVIDIA H100 80GB HBM3, 81559, 4, [N/A], [N/A], 30\n"
BUSY = Gpu(
    index=0,
    name="NVIDIA H100 80GB HBM3",
    utilisation=97,
    memory_used=4700 << 20,
    memory_total=81559 << 20,
    power=390.0,
    temperature=62,
)


def test_without_a_gpu_it_says_so_in_a_line_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpus, "read", lambda: GpuReport(error="no NVML: Driver Not Loaded"))
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    monkeypatch.setenv("PYTHONPATH", "")
    assert gpu.main() == 0
    assert capsys.readouterr().out == "not run: no GPU is here (no NVML: Driver Not Loaded)\n"


def test_two_readings_of_one_card_agree_but_for_what_a_moment_explains() -> None:
    first, second = parse_smi(SMI)
    assert gpu.differs(BUSY, first) is None
    assert gpu.differs(None, first) == "GPU 0 is not listed"
    assert "power, W: 390.0 and 20" in (gpu.differs(BUSY, first._replace(power=20.0)) or "")
    assert "memory used" in (gpu.differs(BUSY, first._replace(used=9000.0)) or "")
    silent = Gpu(index=1, name=second.name, memory_used=0, memory_total=81559 << 20, temperature=30)
    assert gpu.differs(silent, second) is None  # neither reports the power


def test_a_check_that_breaks_has_failed_and_says_why(tmp_path: Path) -> None:
    def two_things(_: Gpus) -> gpu.Check:
        raise TimeoutError("waited 3 s for a thing")

    found = gpu.checked(two_things, Gpus(tmp_path))
    assert found == ("two things", False, "TimeoutError: waited 3 s for a thing")


def test_the_checks_drive_real_runs_on_the_slots_of_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    card = Gpu(index=0, name="a card", memory_used=0, memory_total=80 * GIB)
    monkeypatch.setattr(gpus, "read", lambda: GpuReport(gpus=(card,)))
    monkeypatch.setattr(gpu, "PAIRS", 1)
    here = Gpus(tmp_path)
    back = gpu.fallen_back(here)
    assert back.ok, back
    assert "the training fell back to the CPU" in back.said
    speeds = gpu.overhead(here, seconds=0.2)  # on the CPU: torch finds no card
    assert all(value > 0 for (value,) in speeds.values())
    (run,) = here.store.runs(2)
    assert here.seen(run)["cards"] == "0"
    failed = gpu.out_of_memory(here)
    assert not failed.ok  # on the CPU, there is no GPU memory to run out of
    assert failed.said.startswith("failed, ")
