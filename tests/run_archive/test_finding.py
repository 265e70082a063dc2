"""Runs are found in a folder, whatever wrote them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from autoloop.metrics import MetricBooks
from autoloop.model import UserError
from autoloop.run_archive import find_runs, read_runs

from tests.metric_readers import builder
from tests.run_archive.layouts import jsonl, wandb_run, written_at


def losses(root: Path) -> dict[str, tuple[float, float, int] | None]:
    """Return what was found: name relative to the root -> first, last and number of losses; None for a run without any."""
    found: dict[str, tuple[float, float, int] | None] = {}
    for run, record in read_runs(find_runs(root), MetricBooks()):
        loss = record.summary.metrics.get("train/loss")
        found[os.path.relpath(run.name, root)] = (loss.first, loss.last, loss.n) if loss else None
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


def test_what_is_no_ordinary_file_is_told_and_hides_no_run(tmp_path: Path) -> None:
    for name, place in {"pipe": "wandb/offline-run-20260101_000000-pipe", "endless": "", "socket": "", "gone": ""}.items():
        folder = tmp_path / name / place
        folder.mkdir(parents=True)
        path = folder / f"run-{name}.wandb"
        if name == "pipe":
            os.mkfifo(path)
        elif name == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        else:
            path.symlink_to("/dev/zero" if name == "endless" else "nowhere")
        wandb_run(tmp_path / name / "below", f"b{name}", [2, 1])
    problems: list[str] = []
    found = find_runs(tmp_path, problems)
    assert sorted(os.path.relpath(run.name, tmp_path) for run in found) == [
        "endless/below",
        "gone/below",
        "pipe/below",
        "socket/below",
    ]
    assert sorted(problem.partition("/run-")[2] for problem in problems) == [
        "endless.wandb is not a regular file and was skipped",
        "gone.wandb cannot be read and was skipped: No such file or directory",
        "pipe.wandb is not a regular file and was skipped",
        "socket.wandb is not a regular file and was skipped",
    ]


def test_a_stray_file_hides_no_run_below_it(tmp_path: Path) -> None:
    wandb_run(tmp_path / "a", "one", [3, 2])
    (tmp_path / "run-stray.wandb").write_bytes(b"")
    (tmp_path / "a" / "run-folder.wandb").mkdir()
    wandb_run(tmp_path / "a" / "run-folder.wandb", "two", [5, 4])
    assert losses(tmp_path) == {"a": (3, 2, 2), "a/run-folder.wandb": (5, 4, 2)} | {".": None}


def copied_with_links_followed(root: Path) -> Path:
    (root / "a/wandb/latest-run").symlink_to("offline-run-20260101_000000-one")
    return Path(shutil.copytree(root, root.parent / "copied"))


def test_outputs_copied_with_links_followed_hold_each_run_once(tmp_path: Path) -> None:
    wandb_run(tmp_path / "outs/a", "one", [3, 2])
    copied = copied_with_links_followed(tmp_path / "outs")
    assert not (copied / "a/wandb/latest-run").is_symlink()
    assert losses(copied) == {"a": (3, 2, 2)}
    shutil.copytree(copied / "a", copied / "backup of a")
    assert losses(copied) == {"a": (3, 2, 2)}


def test_rows_copied_with_links_followed_are_there_once(tmp_path: Path) -> None:
    folder = "outs/a/wandb/offline-run-20260101_000000-one"
    jsonl(tmp_path / folder / "files/wandb-history.jsonl", [7, 6])
    wandb_run(tmp_path / "outs/a", "two", [3, 2], at="20260101_000001")
    assert losses(copied_with_links_followed(tmp_path / "outs")) == {
        "a/wandb/offline-run-20260101_000000-one": (7, 6, 2),
        "a/wandb/offline-run-20260101_000001-two": (3, 2, 2),
    }


def test_a_copy_that_is_all_that_is_left_is_the_run(tmp_path: Path) -> None:
    path = wandb_run(tmp_path / "a", "one", [3, 2])
    path.parent.rename(path.parent.with_name("latest-run"))
    assert losses(tmp_path) == {"a": (3, 2, 2)}


def test_replicates_that_logged_the_same_are_two_runs(tmp_path: Path) -> None:
    jsonl(tmp_path / "a/wandb-history.jsonl", [7, 6])
    jsonl(tmp_path / "b/wandb-history.jsonl", [7, 6])
    wandb_run(tmp_path / "c", "one", [3, 2])
    wandb_run(tmp_path / "d", "two", [3, 2])
    assert sorted(losses(tmp_path)) == ["a", "b", "c", "d"]


def test_files_collected_in_one_folder_go_by_their_id(tmp_path: Path) -> None:
    for index, run_id in enumerate(["one", "two", "three"]):
        wandb_run(tmp_path / "x", run_id, [index, 0]).rename(tmp_path / f"run-{run_id}.wandb")
    shutil.rmtree(tmp_path / "x")
    assert losses(tmp_path) == {"one": (0, 0, 2), "two": (1, 0, 2), "three": (2, 0, 2)}


def test_what_only_the_summary_has_is_a_last_value(tmp_path: Path) -> None:
    run = wandb_run(tmp_path / "a", "one", [3, 2])
    (run.parent / "files").mkdir()
    (run.parent / "files/wandb-summary.json").write_text('{"_step": 1, "AUC": 0.93}')
    rows = jsonl(tmp_path / "b/wandb/run-20200101_000000-old/wandb-history.jsonl", [7, 6])
    rows.with_name("wandb-summary.json").write_text('{"_step": 1, "AUC": 0.5, "train/loss": 9}')
    alone = tmp_path / "c/wandb/run-20200101_000000-gone/files/wandb-summary.json"
    alone.parent.mkdir(parents=True)
    alone.write_text('{"_step": 400, "AUC": 0.25}')
    found = {os.path.relpath(run.name, tmp_path): record for run, record in read_runs(find_runs(tmp_path), MetricBooks())}
    assert {name: record.summary.metrics["AUC"].last for name, record in found.items()} == {"a": 0.93, "b": 0.5, "c": 0.25}
    assert found["b"].summary.metrics["train/loss"].last == 6
    jsonl(tmp_path / "d/wandb-history.jsonl", [7, 6]).with_name("wandb-summary.json").write_text('{"_step": 90}')
    ((_, cut),) = read_runs(find_runs(tmp_path / "d"), MetricBooks())
    assert "ends at step 1, but its summary is from step 90" in cut.problems[0]
    assert [len(found[name].problems) for name in "abc"] == [0, 0, 1]
    assert "has no rows, but its summary is from step 400" in found["c"].problems[0]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        find_runs(tmp_path / "nope")


def test_what_the_real_wandb_wrote_is_read(finished_dir: Path) -> None:
    ((run, record),) = read_runs(find_runs(finished_dir), MetricBooks())
    assert (run.name, run.run_id) == (str(finished_dir), "done1234")
    assert record.exit_code == 0
    assert record.config["ot"] == {"reg": 0.1, "list": [1, 2]}
    assert record.summary.steps == 595
    assert record.summary.metrics["eval/offline_eval/avg_l1"].n == 12
    assert "train/inf" in record.summary.not_finite


def test_runs_of_other_loggers_go_by_the_highest_folder_that_has_a_file_of_theirs(tmp_path: Path) -> None:
    written = Path(__file__).parents[1] / "metric_readers" / "written"
    tmp_path = tmp_path / "media"  # as disks are mounted
    shutil.copytree(written / "transformers", tmp_path / "hf")
    shutil.copytree(written / "lightning" / "lightning_logs", tmp_path / "pl" / "lightning_logs")
    shutil.copytree(written / "lightning" / "lightning_logs" / "version_0", tmp_path / "pl" / "lightning_logs" / "version_1")
    shutil.copytree(written / "torch", tmp_path / "tb")
    shutil.copytree(written / "mlflow_files", tmp_path / "flow")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "metrics.jsonl").write_text('{"iter": 20, "loss": 1}\n{"iter": 40, "loss": 2}\n')
    (tmp_path / "own" / "data.csv").write_text("x,y\n1,2\n")
    wandb_run(tmp_path / "both", "one", [3, 2])
    shutil.copy(tmp_path / "own" / "metrics.jsonl", tmp_path / "both")
    found = {os.path.relpath(run.name, tmp_path): record for run, record in read_runs(find_runs(tmp_path), MetricBooks())}
    assert {name.partition("/")[0] for name in found} == {"hf", "pl", "tb", "flow", "own", "both"}
    assert {name for name in found if name.startswith("pl")} == {
        "pl/lightning_logs/version_0",
        "pl/lightning_logs/version_1",
    }
    assert found["hf"].summary.metrics["eval/loss"].last_step == 20
    assert found["own"].summary.metrics["loss"].last_step == 40
    assert found["tb/runs/exp"].config["lr"] == 0.1
    assert set(found["both"].summary.metrics) == {"train/loss"}
    assert all(record.problems == [] for record in found.values())
