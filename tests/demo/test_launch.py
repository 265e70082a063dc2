"""The demo trainer through `accelerate launch`, as a loop starts it: exit code, console output, files, W&B history."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from autoloop.demo import train
from autoloop.demo.project import write_project
from autoloop.metric_readers import follow
from autoloop.trainers import load_preset

TRAIN = str(train.__file__)
KEYS = {
    "train/loss",
    "train/l1_loss",
    "train/kld_loss",
    "train/ot_loss",
    "train/ot_pi_sum",
    "train/ot_pi_diag",
    "train/ot_cost/img_third_person",
    "train/ot_cost/img_side",
    "train/ot_cost/img_ee",
    "train/ot_cost/action_lbl",
    "train/grad_norm",
    "train/lr",
    "train/steps",
}


def environment(**extra: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "PYTHONPATH"))}
    return {**kept, "OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false", "CUDA_VISIBLE_DEVICES": "", **extra}


def test_a_run_through_accelerate_leaves_everything_a_loop_reads(tmp_path: Path) -> None:
    config = write_project(tmp_path)[0]
    out = tmp_path / "out"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            "--num_processes",
            "1",
            TRAIN,
            f"--config_path={config}",
            "--steps=50",
            "--log_freq=10",
            "--eval_freq=20",
            f"--output_dir={out}",
            "--policy.device=cpu",
            "--wandb.mode=offline",
            "--wandb.enable=true",
            "--wandb.disable_artifact=true",
        ],
        cwd=tmp_path,
        env=environment(WANDB_RUN_ID="run0demo"),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    model = out / "checkpoints" / "last" / "pretrained_model"
    assert model.resolve().parent.name == "000050"
    assert '"run_id": "run0demo"' in (model / "train_config.json").read_text(encoding="utf-8")
    assert (model / "model.safetensors").exists()
    assert (model.parent / "training_state" / "training_step.json").exists()

    follower = follow(out, run_id="run0demo")
    while follower.poll():
        pass
    assert set(follower.columns) >= KEYS
    assert all(list(follower.columns[key].steps) == [10, 20, 30, 40, 50] for key in KEYS)
    assert list(follower.columns["eval/offline_eval/avg_l1"].steps) == [20, 40, 50]
    assert list(follower.columns["eval/offline_eval/avg_loss"].steps) == [20, 40, 50]
    assert max(follower.columns["train/ot_pi_sum"].values) < 1e-6
    assert follower.exit_code == 0
    assert follower.config["ot"]["loss_config"]["reg"] == 0.1

    log = tmp_path / "log.txt"
    log.write_text(done.stderr, encoding="utf-8")
    for milestone in ("Start offline training", "Checkpoint policy after step 50", "End of training", "Training:  "):
        assert milestone in done.stderr
    console = follow(tmp_path / "nothing", log=log, log_freq=10, patterns=load_preset("lerobot").console)
    while console.poll():
        pass
    assert console.step == 50
    # The console output is rounded to three decimals.
    printed, logged = (list(each.columns["train/loss"].values) for each in (console, follower))
    assert printed == pytest.approx(logged, abs=6e-4)


def test_without_a_gpu_it_warns_and_trains_on_the_cpu(tmp_path: Path) -> None:
    config = write_project(tmp_path)[0]
    done = subprocess.run(
        [
            sys.executable,
            TRAIN,
            f"--config_path={config}",
            "--steps=1",
            "--policy.device=cuda",
            f"--output_dir={tmp_path}/out",
            "--wandb.enable=false",
            "--save_checkpoint=false",
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Device 'cuda' is not available. Switching to 'cpu'." in done.stderr
    assert "End of training" in done.stderr
    assert not (tmp_path / "out").exists()
