"""What other packages wrote, read as they meant it. `written/write.py` is what each of them was told to do."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers import Follower, follow

WRITTEN = Path(__file__).parent / "written"


def followed(folder: Path, axis: str | None = None) -> Follower:
    follower = follow(folder, axis=axis)
    for _ in range(1000):
        if not follower.poll():
            return follower
    raise AssertionError("the follower does not come to an end")


def points(follower: Follower, key: str) -> list[tuple[int, Any]]:
    return [(step, pytest.approx(value, rel=1e-6, nan_ok=True)) for step, value in follower.columns[key]]


def test_torch_scalars_tensors_and_hparams_with_a_restart_that_repeats_a_step() -> None:
    follower = followed(WRITTEN / "torch")
    assert set(follower.columns) == {"train/loss", "val/acc", "both_a/both", "both_b/both", "hparam/acc"}
    assert points(follower, "train/loss") == [(0, 1), (10, 1 / 11), (20, 20 + 1 / 21), (30, 20 + 1 / 31), (40, 20 + 1 / 41)]
    assert points(follower, "val/acc") == [(step, step / 100) for step in range(0, 50, 10)]
    assert points(follower, "both_b/both") == [(step, -step) for step in range(0, 50, 10)]
    assert follower.config == {"lr": 0.1, "layers": 3, "act": "relu", "bias": True}
    assert (follower.sources, follower.step, follower.problems) == (["tensorboard"], 40, [])
    assert follower.rate is not None


def test_values_that_were_logged_without_a_step_are_counted() -> None:
    follower = followed(WRITTEN / "tensorboardx")
    assert points(follower, "unnumbered") == [(0, 3), (1, 2), (2, 1)]
    assert points(follower, "loss") == [(0, 1), (1, 1 / 2), (2, 1 / 3)]


def test_lightning_with_two_loggers_has_each_metric_once(tmp_path: Path) -> None:
    both = followed(WRITTEN / "lightning")
    assert both.sources == ["tensorboard", "csv"]
    assert set(both.columns) == {"train_loss", "val_loss", "epoch"}
    table = tmp_path / "lightning_logs"
    shutil.copytree(WRITTEN / "lightning" / "lightning_logs", table)
    alone = followed(tmp_path)
    assert alone.sources == ["csv"]
    for key in ("train_loss", "val_loss"):
        assert points(both, key) == list(alone.columns[key])
    assert list(alone.columns["val_loss"].steps) == [7, 15, 23]
    assert alone.step == 23


def test_the_trainer_of_transformers_by_its_checkpoints_has_the_names_that_it_reports(tmp_path: Path) -> None:
    whole = followed(WRITTEN / "transformers")
    assert whole.sources == ["tensorboard", "trainer-state"]
    for file in (WRITTEN / "transformers").glob("**/trainer_state.json"):
        target = tmp_path / file.relative_to(WRITTEN / "transformers")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    states = followed(tmp_path)
    assert (states.sources, states.step, states.total_steps) == (["trainer-state"], 20, 20)
    assert set(states.columns) <= set(whole.columns)
    for key in ("train/loss", "eval/loss", "train/learning_rate"):
        assert points(whole, key) == list(states.columns[key])
    assert list(states.columns["eval/loss"].steps) == [10, 20]
    (tmp_path / "trainer_state.json").unlink()
    shutil.rmtree(tmp_path / "checkpoint-20")
    assert followed(tmp_path).step == 10


def test_keras_counts_by_epochs() -> None:
    follower = followed(WRITTEN / "keras")
    assert set(follower.columns) == {"loss", "mae", "val_loss", "val_mae"}
    assert list(follower.columns["val_loss"].steps) == [0, 1, 2, 3]
    assert all(math.isfinite(value) for value in follower.columns["val_loss"].values)
