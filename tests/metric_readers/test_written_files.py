"""Files written by other packages are read as intended. `written/write.py` shows what each of them was asked to write."""

from __future__ import annotations

import gzip
import math
import shutil
import sqlite3
from contextlib import closing
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


TRACKED: dict[str, list[tuple[int, float]]] = {
    "train/loss": [(0, 1), (10, 1 / 11), (20, 1 / 21)],
    "nan": [(0, math.nan), (10, math.nan), (20, math.nan)],
    "unnumbered": [(0, 3), (1, 2), (2, 1)],
}


def test_trackios_database_of_a_project() -> None:
    follower = followed(WRITTEN / "trackio")
    assert points(follower, "train/loss") == TRACKED["train/loss"]
    assert points(follower, "nan") == [(step, pytest.approx(value, nan_ok=True)) for step, value in TRACKED["nan"]]
    assert points(follower, "nested.a") == [(0, 0), (10, 10), (20, 20)]
    assert set(follower.columns) == {"train/loss", "nan", "nested.a"}
    assert (follower.sources, follower.step, follower.problems) == (["trackio"], 20, [])


@pytest.mark.parametrize("store", ["database", "files"])
def test_mlflows_database_and_its_files(store: str, tmp_path: Path) -> None:
    if store == "files":
        shutil.copytree(WRITTEN / "mlflow_files", tmp_path, dirs_exist_ok=True)
    else:
        (tmp_path / "mlflow.db").write_bytes(gzip.decompress((WRITTEN / "mlflow" / "mlflow.db.gz").read_bytes()))
    follower = followed(tmp_path)
    assert set(follower.columns) == set(TRACKED)
    for key, expected in TRACKED.items():
        assert points(follower, key) == [(step, pytest.approx(value, nan_ok=True)) for step, value in expected]
    assert (follower.sources, follower.step, follower.problems) == (["mlflow"], 20, [])


def test_swanlabs_log() -> None:
    follower = followed(WRITTEN / "swanlab")
    assert points(follower, "train/loss") == [*TRACKED["train/loss"], (21, 7)]
    assert points(follower, "val/acc") == [(0, 0), (10, 10), (20, 20)]
    assert (follower.sources, follower.step, follower.problems) == (["swanlab"], 21, [])


def test_a_database_that_is_being_written_is_read_on_without_locking_its_writer_out(tmp_path: Path) -> None:
    path = tmp_path / "trackio" / "project.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp, run_name, step INTEGER, metrics TEXT)")
        insert = "INSERT INTO metrics (run_name, step, metrics) VALUES (?, ?, ?)"
        writer.execute(insert, ("one", 0, '{"loss": 2}'))
        follower = followed(tmp_path)
        assert points(follower, "loss") == [(0, 2)]
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(insert, ("one", 5, '{"loss": 1}'))
        assert not follower.poll()
        writer.execute("COMMIT")
        writer.execute(insert, ("another", 7, '{"loss": 9}'))
        assert follower.poll()
        assert points(follower, "loss") == [(0, 2), (5, 1)]
        assert "has 1 run besides one" in follower.problems[0]


def test_another_programs_database_is_no_source(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "study.db")) as database:
        database.execute("CREATE TABLE metrics (id INTEGER, name TEXT)")
        database.commit()
    follower = followed(tmp_path)
    assert (dict(follower.columns), follower.problems) == ({}, [])
