"""The tap mirrors what a real wandb run logs and never disturbs the training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers import follow, tap_base
from autoloop.trainers.tap import SITE, lagging_wandb, tapped

TRAINING = """
import os, sys, wandb
run = wandb.init(dir=sys.argv[1], mode="offline", project="p", id="abcd1234")
run.log({"train/loss": 2.0, "text": "no metric", "deep": {"a": 1}}, step=10)
run.log({"train/loss": float("nan")}, step=20)
run.log({"train/loss": 0.5}, step=30)
{kill}
run.finish()
print("End of training")
"""
KILL = "os.kill(os.getpid(), 9)"


OTHERS = """
run.finish()
for fold in range(2):
    run = wandb.init(dir=sys.argv[1], mode="offline", project="p", id=f"fold{fold}")
    run.log({"train/loss": float(fold)})
    run.finish()
"""


def train(folder: Path, end: str = "", output: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = tapped({**os.environ, "WANDB_SILENT": "true"}, tap_base(output or folder))
    code = TRAINING.replace("{kill}", end)
    return subprocess.run([sys.executable, "-c", code, str(folder)], env=env, capture_output=True, text=True, check=False)


def tap(folder: Path, run_id: str) -> Path:
    return folder / "wandb" / f"autoloop-tap-{run_id}.jsonl"


def test_each_wandb_run_of_a_trainer_is_mirrored_to_a_file_of_its_own(tmp_path: Path) -> None:
    assert train(tmp_path, OTHERS).returncode == 0
    losses = {
        run_id: [json.loads(line)["train/loss"] for line in tap(tmp_path, run_id).read_text().splitlines()]
        for run_id in ("fold0", "fold1")
    }
    assert losses == {"fold0": [0.0], "fold1": [1.0]}
    follower = follow(tmp_path)
    while follower.poll():
        pass
    assert follower.wandb_id == "abcd1234"
    assert list(follower.columns["train/loss"].steps) == [10, 20, 30]
    assert follower.others == ["fold0", "fold1"]


def test_what_a_run_logs_is_there_row_by_row_even_if_it_is_killed(tmp_path: Path) -> None:
    assert train(tmp_path, KILL).returncode == -9
    found = [json.loads(line) for line in tap(tmp_path, "abcd1234").read_text().splitlines()]
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
    done = train(tmp_path, output=tmp_path / "file")
    assert (done.returncode, done.stdout.strip()) == (0, "End of training"), done.stderr
    assert "Traceback" not in done.stderr


def test_the_environments_own_sitecustomize_still_runs(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys\nsys.own_was_here = True\n")
    env: dict[str, str] = tapped({**os.environ, "PYTHONPATH": str(own)}, tap_base(tmp_path))
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
