"""Runs are found below a folder, whatever wrote them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from autoloop.metrics import default_book
from autoloop.model import UserError
from autoloop.offline import find_runs, read_runs

from tests.history import builder
from tests.offline.layouts import jsonl, wandb_run, written_at


def losses(root: Path) -> dict[str, tuple[float, float, int]]:
    """What was found: name below the root -> first, last and number of losses."""
    found = {}
    for run, record in read_runs(find_runs(root), default_book()):
        loss = record.summary.metrics["train/loss"]
        found[os.path.relpath(run.name, root)] = (loss.first, loss.last, loss.n)
    return found


def test_every_layout_is_found_at_any_depth(tmp_path: Path) -> None:
    wandb_run(tmp_path / "a", "one", [3, 2])
    wandb_run(tmp_path / "deep/er/b", "two", [5, 4], mode="run")
    jsonl(tmp_path / "v9/wandb/run-20200101_000000-old/wandb-history.jsonl", [7, 6])
    jsonl(tmp_path / "doc/wandb/run-20200101_000000-doc/files/wandb-history.jsonl", [8, 7])
    jsonl(tmp_path / "export/wandb-history.jsonl", [9, 8])
    copied = tmp_path / "copied/offline-run-20260101_000000-three/run-three.wandb"
    copied.parent.mkdir(parents=True)
    wandb_run(tmp_path / "x", "three", [1, 0]).rename(copied)
    assert losses(tmp_path) == {
        "a": (3, 2, 2),
        "deep/er/b": (5, 4, 2),
        "v9": (7, 6, 2),
        "doc": (8, 7, 2),
        "export": (9, 8, 2),
        "copied": (1, 0, 2),
    }


def test_the_old_record_layout_is_read(tmp_path: Path) -> None:
    path = wandb_run(tmp_path / "a", "one", [])
    path.write_bytes(builder.frame([builder.old_row({"train/loss": 2.0 - step}, step) for step in range(2)]))
    assert losses(tmp_path) == {"a": (2, 1, 2)}


def test_a_resumed_run_is_one_run_whose_later_part_counts(tmp_path: Path) -> None:
    wandb_run(tmp_path / "a", "one", [9, 8, 7], at="20260101_000000")
    wandb_run(tmp_path / "a", "one", [1, 0], at="20260101_000500", start=2)
    assert losses(tmp_path) == {"a": (9, 0, 4)}


def test_runs_that_share_a_folder_go_by_their_own(tmp_path: Path) -> None:
    wandb_run(tmp_path, "one", [1, 1], at="20260101_000000")
    wandb_run(tmp_path, "two", [2, 2], at="20260101_000001")
    assert losses(tmp_path) == {
        "wandb/offline-run-20260101_000000-one": (1, 1, 2),
        "wandb/offline-run-20260101_000001-two": (2, 2, 2),
    }


def test_rows_of_a_tap_count_where_wandb_was_killed_before_it_wrote(tmp_path: Path) -> None:
    wandb_run(tmp_path / "a", "one", [3.0])
    jsonl(tmp_path / "a/wandb/autoloop-tap.jsonl", [3, 2, 1])
    assert losses(tmp_path) == {"a": (3, 1, 3)}


def test_the_newest_comes_first_and_links_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    for age, name in enumerate(["c", "a", "b"]):
        written_at(wandb_run(tmp_path / name, name, [1]), 1_700_000_000 - age)
    wandb_run(tmp_path / ".hidden", "h", [1])
    (tmp_path / "a/again").symlink_to(tmp_path)
    assert [os.path.relpath(run.name, tmp_path) for run in find_runs(tmp_path)] == ["c", "a", "b"]


def test_a_pipe_in_place_of_a_log_is_passed_over(tmp_path: Path) -> None:
    path = wandb_run(tmp_path / "a", "one", [1])
    path.unlink()
    os.mkfifo(path)
    assert find_runs(tmp_path) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        find_runs(tmp_path / "nope")


def test_what_the_real_wandb_wrote_is_read(finished_dir: Path) -> None:
    ((run, record),) = read_runs(find_runs(finished_dir), default_book())
    assert (run.name, run.run_id) == (str(finished_dir), "done1234")
    assert record.exit_code == 0
    assert record.config["ot"] == {"reg": 0.1, "list": [1, 2]}
    assert record.summary.steps == 595
    assert record.summary.metrics["eval/offline_eval/avg_l1"].n == 12
    assert "train/inf" in record.summary.not_finite
