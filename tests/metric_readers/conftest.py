"""Offline runs of the real wandb, in separate processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers import native

from tests.support.waiting import PATIENCE

PREPARE = """
import math, signal, sys, wandb
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
config = dict(steps=200, ot=dict(reg=0.1, list=[1, 2]), x=None)
run = wandb.init(mode="offline", project="p", id=sys.argv[1], config=config)
"""

FINISHED = (
    PREPARE
    + """
wandb.config.update({"late": {"a": 1}})
for step in range(120):
    row = {f"train/m{i}": math.sin(step * i) * 10.0 ** (i - 3) for i in range(6)}
    row |= {"train/nan": math.nan if step % 2 else 1.0, "train/inf": -math.inf if step == 7 else math.inf}
    row |= {"train/flag": True, "train/word": "NaN is a word", "big": 10**20, "a.b": step}
    row |= {"nested": {"b": {"c": step}, "d": -step}}
    if step % 10 == 0:
        row["eval/offline_eval/avg_l1"] = 1 / (step + 1)
        row["hist"] = wandb.Histogram(np_histogram=([1, 2], [0, 1, 2]))
        row["table"] = wandb.Table(columns=["a"], data=[[1]])
    run.log(row, step=step * 5)
run.finish()
"""
)

ENDLESS = (
    PREPARE
    + """
import time
for step in range(100_000):
    run.log({"loss": 1 / (step + 1), "m": float(step)})
    time.sleep(0.002)
"""
)


def wandb_environment(directory: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return env | {
        "WANDB_DIR": str(directory),
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.1",
        "WANDB_CACHE_DIR": str(directory / ".cache"),
        "WANDB_CONFIG_DIR": str(directory / ".config"),
        "WANDB_DATA_DIR": str(directory / ".data"),
        "WANDB_ARTIFACT_DIR": str(directory / ".artifacts"),
    }


Start = Callable[[str, str, Path], "subprocess.Popen[bytes]"]


@pytest.fixture(scope="session")
def start_wandb() -> Iterator[Start]:
    """start(script, run id, directory): start a process; if it still runs at the end, its process group is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str, run_id: str, directory: Path) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", script, run_id],
                env=wandb_environment(directory),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def finished_dir(start_wandb: Start, tmp_path_factory: Any) -> Path:
    """The output directory of a finished run `done1234`."""
    directory: Path = tmp_path_factory.mktemp("finished")
    assert start_wandb(FINISHED, "done1234", directory).wait(PATIENCE) == 0
    return directory


@pytest.fixture(scope="session")
def finished_file(finished_dir: Path) -> Path:
    (path,) = finished_dir.glob("wandb/*run-*/run-done1234.wandb")
    return path


@pytest.fixture
def by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read without the compiled readers."""
    monkeypatch.setattr(native, "compiled", None)


@pytest.fixture(params=["compiled", "python"])
def both_ways(request: pytest.FixtureRequest) -> None:
    """Run a test twice: with the compiled readers and without them."""
    if request.param == "python":
        request.getfixturevalue("by_python")
    elif native.compiled is None:
        pytest.skip("There was no C compiler when this checkout was installed.")
