"""Which files of a run's folder are read, including late files, restarts, and several kinds of files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from autoloop.metric_readers import Follower, follow

from tests.metric_readers.boards import board_events, board_record, scalar_event, timed
from tests.metric_readers.builder import number, part, varint
from tests.metric_readers.test_follow import write_segment


def read_all(follower: Follower) -> Follower:
    for _ in range(1000):
        if not follower.poll():
            return follower
    raise AssertionError("the follower does not come to an end")


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(*rows: dict[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def points(follower: Follower, key: str) -> list[tuple[int, float]]:
    return list(follower.columns[key])


def events(*values: tuple[int, str, float]) -> bytes:
    return board_events(scalar_event(*value) for value in values)


BOARD = "events.out.tfevents.{}.host.1.0"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("metrics.jsonl", lines({"step": 3, "loss": 0.5})),
        ("logs/history.ndjson", lines({"iter": 3, "loss": 0.5})),
        ("logs.json.txt", lines({"global_step": 3, "epoch": 0, "loss": 0.5})),
        ("metrics.csv", "step,loss\n3,0.5\n"),
        ("csv/version_0/metrics.csv", "epoch,step,loss\n0,3,0.5\n"),
        ("out/table.csv", "iteration,loss\n3,0.5\n"),
        ("runs/2026-01-01_00-00-00/" + BOARD.format(1), events((3, "loss", 0.5))),
        ("logs/rsl_rl/cartpole/2026-01-01/summaries/" + BOARD.format(1), events((3, "loss", 0.5))),
        ("trainer_log.jsonl", lines({"current_steps": 3, "total_steps": 9, "loss": 0.5, "lr": 0.1})),
        ("trainer_state.json", json.dumps({"log_history": [{"step": 3, "loss": 0.5}]})),
    ],
)
def test_a_source_is_found_wherever_loggers_put_it_and_when_it_appears_late(place: str, text: str, tmp_path: Path) -> None:
    follower = follow(tmp_path / "out")
    assert not follower.poll()
    (tmp_path / "out").mkdir()
    assert not follower.poll()
    write(tmp_path / "out" / place, text)
    read_all(follower)
    (key,) = {"loss", "train/loss"} & set(follower.columns)
    assert points(follower, key) == [(3, 0.5)]
    assert (follower.step, follower.problems) == (3, [])


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("predictions.jsonl", lines({"id": 1, "score": 0.5})),
        ("generations.jsonl", lines({"step": 1, "text": "5"})),
        ("data.csv", "x,y\n1,2\n"),
        (".cache/metrics.csv", "step,loss\n1,2\n"),
        ("checkpoints/metrics.csv", "step,loss\n1,2\n"),
        ("metrics.csv/metrics.csv", "step,loss\n"),
    ],
)
def test_other_files_are_no_metrics(place: str, text: str, tmp_path: Path) -> None:
    write(tmp_path / place, text)
    assert dict(read_all(follow(tmp_path)).columns) == {}


def test_a_restart_in_a_new_folder_goes_on_and_its_values_replace_those_of_the_same_steps(tmp_path: Path) -> None:
    write(tmp_path / "lightning_logs/version_9/metrics.csv", "step,loss\n0,1\n10,2\n20,3\n")
    follower = read_all(follow(tmp_path))
    write(tmp_path / "lightning_logs/version_10/metrics.csv", "step,loss\n10,22\n30,4\n")
    assert points(read_all(follower), "loss") == [(0, 1), (10, 22), (20, 3), (30, 4)]
    assert points(read_all(follow(tmp_path)), "loss") == points(follower, "loss")


def test_a_table_that_is_written_anew_and_is_longer_by_then_is_read_again(tmp_path: Path) -> None:
    """Lightning rewrites its file when a metric appears; rows may follow before the next poll."""
    path = write(tmp_path / "metrics.csv", "step,loss\n0,1\n10,2\n")
    follower = read_all(follow(tmp_path))
    with path.open("r+", encoding="utf-8") as file:  # the same inode, as with Lightning
        file.write("epoch,step,loss,val_loss\n0,0,1,\n0,10,2,\n0,20,3,\n0,20,,5\n1,30,4,\n")
    read_all(follower)
    assert list(follower.columns["loss"]) == [(0, 1.0), (10, 2.0), (20, 3.0), (30, 4.0)]
    assert list(follower.columns["val_loss"]) == [(20, 5.0)]
    assert follower.problems == []


def test_a_table_that_is_written_anew_with_one_more_column_keeps_its_curve_meanwhile(tmp_path: Path) -> None:
    path = write(tmp_path / "metrics.csv", "step,loss\n0,1\n10,2\n20,3\n")
    follower = read_all(follow(tmp_path))
    for text in ("", "loss,st", "loss,step,val\n1,0,\n", "loss,step,val\n1,0,\n2,10,\n3,2"):
        path.write_text(text)
        assert points(read_all(follower), "loss") == [(0, 1), (10, 2), (20, 3)]
    path.write_text("loss,step,val\n1,0,\n2,10,\n3,20,\n,20,9\n")
    assert points(read_all(follower), "loss") == [(0, 1), (10, 2), (20, 3)]
    assert points(follower, "val") == [(20, 9)]
    assert follower.problems == []


def test_folders_that_keep_the_same_names_apart_give_their_names(tmp_path: Path) -> None:
    write(tmp_path / "logs/train" / BOARD.format(1), events((0, "epoch_loss", 1), (0, "train/lr", 5)))
    write(tmp_path / "logs/validation" / BOARD.format(2), events((0, "epoch_loss", 2)))
    write(tmp_path / "folds/fold_0" / BOARD.format(2), events((0, "auc", 0.5)))
    write(tmp_path / "folds/fold_1" / BOARD.format(2), events((0, "auc", 0.75)))
    columns = read_all(follow(tmp_path)).columns
    assert {key: next(iter(series))[1] for key, series in columns.items()} == {
        "train/epoch_loss": 1,
        "train/lr": 5,
        "validation/epoch_loss": 2,
        "fold_0/auc": 0.5,
        "fold_1/auc": 0.75,
    }


def test_a_metric_that_several_sources_have_is_the_first_ones_alone(tmp_path: Path) -> None:
    write_segment(tmp_path, "offline-run-20260101_000000-abc", {10: 1.0, 20: 2.0})
    write(tmp_path / "runs/x" / BOARD.format(1), events((11, "train.loss", 7), (12, "val.loss", 8)))
    write(tmp_path / "metrics.csv", "step,val.loss,lr\n13,9,0.5\n")
    follower = read_all(follow(tmp_path, run_id="abc"))
    assert follower.sources == ["wandb", "tensorboard", "csv"]
    assert points(follower, "train.loss") == [(10, 1), (20, 2)]
    assert points(follower, "val.loss") == [(12, 8)]
    assert points(follower, "lr") == [(13, 0.5)]


def test_what_is_printed_counts_only_where_nothing_else_has_metrics(tmp_path: Path) -> None:
    from autoloop.trainers import load_preset

    log = write(tmp_path / "log.txt", "INFO step:5 loss:9.000\n")
    follower = read_all(follow(tmp_path / "out", log=log, patterns=load_preset("lerobot").console))
    assert follower.sources == ["console"]
    write(tmp_path / "out/metrics.jsonl", lines({"step": 3, "loss": 0.5}))
    assert set(read_all(follower).columns) == {"loss"}
    assert follower.sources == ["jsonl"]


def test_events_behind_long_ones_are_read_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / BOARD.format(1)
    whole = events((1, "loss", 1)) + board_record(b"x" * (3 << 20)) + events((2, "loss", 2))
    write(path, whole)
    follower = read_all(follow(tmp_path))
    assert points(follower, "loss") == [(1, 1), (2, 2)]
    with path.open("ab") as file:
        file.write(b"no record at all")
    assert f"damaged at byte {len(whole)}" in read_all(follower).problems[0]
    assert points(follower, "loss") == [(1, 1), (2, 2)]


def test_aim_is_declined_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".aim").mkdir()
    (problem,) = read_all(follow(tmp_path)).problems
    assert "Aim's repository cannot be read; let the trainer log to TensorBoard" in problem


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        (number(1, 1) + part(4, struct.pack("<f", 0.5)), 0.5),
        (number(1, 2) + part(6, struct.pack("<d", 0.1)), 0.1),
        (number(1, 3) + part(7, varint(-7)), -7),
        (number(1, 9) + number(10, -7), -7),
        (number(1, 10) + number(11, 1), 1),
        (number(1, 14) + number(13, 0x3FC0), 1.5),
        (number(1, 19) + number(13, 0x3E00), 1.5),
        (number(1, 19) + part(4, struct.pack("<e", 1.5)), 1.5),
        (number(1, 23) + part(4, struct.pack("<Q", 2**63)), 2.0**63),
        (number(1, 1) + part(2, part(2, number(1, 1))) + part(5, struct.pack("<f", 0.5)), 0.5),
        (number(1, 1) + part(2, part(2, number(1, 2))) + part(5, struct.pack("<ff", 1, 2)), None),
        (number(1, 7) + part(8, b"text"), None),
    ],
)
def test_a_tensor_of_one_number_is_a_scalar_of_any_type(shown: bytes, value: float | None, tmp_path: Path) -> None:
    event = timed(part(5, part(1, part(1, "x") + part(8, shown))), 3)
    write(tmp_path / BOARD.format(1), board_events([event]))
    series = read_all(follow(tmp_path)).columns.get("x")
    assert (list(series) if series else None) == (None if value is None else [(3, value)])


def test_a_table_that_a_restarted_trainer_appends_to_goes_on_behind_its_second_header(tmp_path: Path) -> None:
    write(tmp_path / "metrics.csv", "iter,loss\n0,3\n1,2\niter,loss,acc\n1,5,0.5\n2,1,0.75\n")
    follower = read_all(follow(tmp_path))
    assert points(follower, "loss") == [(0, 3), (1, 5), (2, 1)]
    assert points(follower, "acc") == [(1, 0.5), (2, 0.75)]
    assert follower.problems == []


def test_a_table_that_was_replaced_and_has_the_same_inode_is_not_taken_for_a_grown_one(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("step,loss\n1,0.5\n2,0.25\n")
    follower = follow(tmp_path)
    while follower.poll():
        pass
    table.write_text("step,loss\n1,9.5\n2,8.5\n3,7.5\n4,6.5\n")  # in place, as after two replacements
    while follower.poll():
        pass
    assert list(follower.columns["loss"]) == [(1, 9.5), (2, 8.5), (3, 7.5), (4, 6.5)]
    assert "was replaced" in follower.problems[0]
    with table.open("a") as file:
        file.write("5,5.5\n")
    while follower.poll():
        pass
    assert len(follower.columns["loss"]) == 5
