"""The tap mirrors what a real wandb run logs, and never stands in the way of the training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from autoloop.history import follow, tap_file
from autoloop.launch.tap import SITE, lagging_wandb, tapped

TRAINING = """
import os, sys, wandb
run = wandb.init(dir=sys.argv[1], mode="offline", project="p", id=os.environ["WANDB_RUN_ID"])
run.log({"train/loss": 2.0, "text": "no metric", "deep": {"a": 1}}, step=10)
run.log({"train/loss": float("nan")}, step=20)
run.log({"train/loss": 0.5}, step=30)
{kill}
run.finish()
print("End of training")
"""
KILL = "os.kill(os.getpid(), 9)"


def train(folder: Path, kill: str = "", file: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "WANDB_RUN_ID": "abcd1234", "WANDB_SILENT": "true", **more}
    env = tapped(env, file or tap_file(folder))
    code = TRAINING.replace("{kill}", kill)
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)], env=env, capture_output=True, text=True, check=False
    )


def test_what_a_run_logs_is_there_row_by_row_even_if_it_is_killed(tmp_path: Path) -> None:
    assert train(tmp_path, KILL).returncode == -9
    found = [json.loads(line) for line in tap_file(tmp_path).read_text().splitlines()]
    assert [row["_step"] for row in found] == [10, 20, 30]
    assert (found[0]["train/loss"], found[0]["deep"]) == (2.0, {"a": 1})
    assert "text" not in found[0]
    follower = follow(tmp_path, run_id="abcd1234")
    while follower.poll():
        pass
    assert list(follower.columns["train/loss"].steps) == [10, 20, 30]
    assert (follower.source, follower.step) == ("jsonl", 30)
    follower.close()


def test_a_tap_that_cannot_write_leaves_the_training_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = train(tmp_path, file=tmp_path / "file" / "tap.jsonl")
    assert (done.returncode, done.stdout.strip()) == (0, "End of training"), done.stderr
    assert "Traceback" not in done.stderr


def test_the_environments_own_sitecustomize_still_runs(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys\nsys.own_was_here = True\n")
    env: dict[str, str] = tapped({**os.environ, "PYTHONPATH": str(own)}, tmp_path / "tap.jsonl")
    code = "import sys; print(sys.own_was_here, sys.path[1] == sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(SITE)], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.parametrize(
    ("said", "lags"), [("0.18.7", "0.18.7"), ("0.30.0", "0.30.0"), ("0.31.0", None), ("1.2", None), ("", None)]
)
def test_only_a_wandb_before_0_31_needs_the_tap(tmp_path: Path, said: str, lags: Any) -> None:
    python = tmp_path / f"python{said}"
    python.write_text(f"#!/bin/sh\n[ -n '{said}' ] && echo '{said}'\n")
    python.chmod(0o755)
    assert lagging_wandb(str(python)) == lags


def test_an_interpreter_without_wandb_needs_no_tap(tmp_path: Path) -> None:
    assert lagging_wandb(str(tmp_path / "none")) is None
