"""Files written by five versions of the real wandb: finished, terminated, killed. Everything that was flushed is read.

Run by `make test-wandb-versions`, which also prints how many of the last rows each version loses.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from autoloop.metric_readers import follow

from tests.metric_readers.builder import read, reference
from tests.metric_readers.conftest import wandb_environment
from tests.metric_readers.versions import VERSIONS, interpreter
from tests.support.environments import CannotBuild

pytestmark = pytest.mark.wandb_versions

ROWS = 300
METRICS = 20

WRITER = f"""
import math, sys, time, wandb
run = wandb.init(mode="offline", project="p", id=sys.argv[1], config=dict(steps={ROWS}, ot=dict(reg=0.1)))
with open("logged", "w") as logged:
    for step in range(10 ** 6):
        if step == {ROWS} and sys.argv[2] == "finish":
            break
        run.log({{f"train/m{{i}}": math.sin(step * i) * 10.0 ** (i - 10) for i in range({METRICS})}}, step=step)
        logged.write(f"{{step}}\\n")
        logged.flush()
        time.sleep(0.005)
run.finish()
"""
"""As LeRobot logs: with `step`, so that wandb keeps the newest row until the next one comes."""


def value(step: int, i: int) -> float:
    return math.sin(step * i) * 10.0 ** (i - 10)


def logged(folder: Path) -> int:
    """Return the number of rows that the trainer has passed to wandb so far."""
    try:
        return (folder / "logged").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("end", ["finish", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_point_that_this_version_flushed_is_read(version: str, end: str, tmp_path: Path) -> None:
    try:
        python = interpreter(version)
    except (CannotBuild, OSError) as problem:
        pytest.skip(str(problem))
    # As in a run of ours: flushed once a second, if the version supports that.
    environment = wandb_environment(tmp_path) | {"WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "1"}
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [str(python), "-c", WRITER, "vers1234", end],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while end != "finish" and logged(tmp_path) < ROWS:
            assert process.poll() is None, (tmp_path / "said").read_text()[-2000:]
            assert time.monotonic() < deadline, f"only {logged(tmp_path)} rows were logged"
            time.sleep(0.01)
        if end != "finish":
            os.killpg(process.pid, getattr(signal, end))
        code = process.wait(240)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    (path,) = tmp_path.glob("wandb/offline-run-*/run-vers1234.wandb")
    copy = tmp_path / "copy" / "wandb" / path.parent.name / path.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())  # a copy, to which a service left running cannot write
    log = read(copy)
    flushed = reference(copy.read_bytes())
    assert log.problems == []
    assert {key: list(series) for key, series in log.columns.series.items()} == flushed
    rows = len(log.columns.series["train/m1"]) if flushed else 0
    handed = logged(tmp_path)
    for i in range(METRICS):
        steps_and_values = [(step, value(step, i)) for step in range(rows)]
        assert list(log.columns.series[f"train/m{i}"]) == steps_and_values
    assert log.config == {"steps": ROWS, "ot": {"reg": 0.1}}
    print(f"wandb {version}, {end}: {rows} of {handed} rows read, the last {handed - rows} were never on disk")
    if end == "finish":
        assert (code, log.exit_code, rows) == (0, 0, ROWS), (tmp_path / "said").read_text()[-2000:]
    else:
        assert log.exit_code is None
        # A block holds 32 KiB, and the newest row is only written when the next one comes.
        assert 0 < rows <= handed
        assert handed - rows <= 40
    follower = follow(tmp_path / "copy", run_id="vers1234")
    while follower.poll():
        pass
    assert (follower.source, follower.total_steps) == ("wandb", ROWS)
