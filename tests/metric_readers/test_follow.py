"""One view of everything that a run may write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from autoloop.metric_readers import Follower, follow
from autoloop.trainers import load_preset

from tests.metric_readers.builder import config, exit_record, frame, item, new_row, number, part

LEROBOT = load_preset("lerobot").console
LOG = "cfg.steps=400 (400)\n\rTraining:  25%|█ | 100/400 [00:00<00:02, 5.00step/s]INFO step:100 loss:9.000\n"


def write_segment(run_dir: Path, name: str, rows: dict[int, float], *, end: int | None = None, run_id: str = "abc") -> Path:
    directory = run_dir / "wandb" / name
    directory.mkdir(parents=True)
    records = [part(17, part(4, config({"steps": 500, "name": name})))]
    records += [new_row({("train", "loss"): value, ("_timestamp",): 1e9 + step}, step) for step, value in rows.items()]
    if end is not None:
        records.append(exit_record(end))
    path = directory / f"run-{run_id}.wandb"
    path.write_bytes(frame(records))
    return path


def read_all(follower: Follower) -> Follower:
    for _ in range(1000):
        if not follower.poll():
            return follower
    raise AssertionError("the follower does not come to an end")


def loss(follower: Follower, key: str = "train.loss") -> list[tuple[int, float]]:
    return list(follower.columns[key])


def test_before_the_output_directory_exists_there_is_nothing_and_no_problem(tmp_path: Path) -> None:
    follower = follow(tmp_path / "later" / "run", run_id="abc", log=tmp_path / "later.txt")
    assert follower.poll() is False
    assert (follower.columns, follower.config, follower.source, follower.problems) == ({}, {}, None, [])
    assert (follower.step, follower.total_steps, follower.rate, follower.exit_code) == (0, None, None, None)
    write_segment(tmp_path / "later" / "run", "offline-run-20260101_000000-abc", {10: 1.0})
    assert follower.poll() is True
    assert loss(follower) == [(10, 1.0)]


def test_segments_of_one_run_are_merged_by_step_and_the_later_wins(tmp_path: Path) -> None:
    write_segment(tmp_path, "offline-run-20260101_000000-abc", {0: 0.0, 10: 1.0, 20: 2.0, 30: 3.0}, end=255)
    follower = read_all(follow(tmp_path, run_id="abc"))
    assert follower.exit_code == 255
    columns = follower.columns
    write_segment(tmp_path, "run-20260101_000500-abc", {20: 22.0, 25: 25.0})
    read_all(follower)
    assert loss(follower) == [(0, 0.0), (10, 1.0), (20, 22.0), (25, 25.0), (30, 3.0)]
    assert follower.columns is columns
    assert follower.exit_code is None
    assert follower.config["name"] == "run-20260101_000500-abc"
    assert follower.rate == 1.0


def test_segments_that_started_in_one_second_keep_their_order(tmp_path: Path) -> None:
    write_segment(tmp_path, "offline-run-20260101_000000-abc-1", {10: 5.0})
    write_segment(tmp_path, "offline-run-20260101_000000-abc", {10: 1.0})
    assert loss(read_all(follow(tmp_path, run_id="abc"))) == [(10, 5.0)]


def test_an_older_segment_that_still_grows_does_not_replace_newer_values(tmp_path: Path) -> None:
    old = write_segment(tmp_path, "offline-run-20260101_000000-abc", {10: 1.0, 20: 2.0, 30: 3.0})
    data = old.read_bytes()
    old.write_bytes(data[:150])
    write_segment(tmp_path, "offline-run-20260102_000000-abc", {20: 22.0})
    follower = read_all(follow(tmp_path, run_id="abc"))
    old.write_bytes(data)
    assert loss(read_all(follower)) == [(10, 1.0), (20, 22.0), (30, 3.0)]


def test_each_segment_is_read_to_its_end_before_the_next(tmp_path: Path) -> None:
    write_segment(tmp_path, "offline-run-20260101_000000-abc", {9000: 1.0})
    write_segment(tmp_path, "offline-run-20260102_000000-abc", {step: 2.0 for step in range(9001)})
    write_segment(tmp_path, "offline-run-20260103_000000-abc", {9999: 3.0})
    follower = follow(tmp_path, run_id="abc")
    while follower.poll(budget=1):
        pass
    assert loss(follower)[-2:] == [(9000, 2.0), (9999, 3.0)]


def test_a_replaced_segment_makes_all_be_read_again(tmp_path: Path) -> None:
    write_segment(tmp_path, "offline-run-20260101_000000-abc", {10: 1.0, 20: 2.0})
    new = write_segment(tmp_path, "offline-run-20260102_000000-abc", {20: 22.0, 30: 3.0})
    follower = read_all(follow(tmp_path, run_id="abc"))
    new.write_bytes(frame([new_row({("train", "loss"): 4.0}, 40)]))
    assert loss(read_all(follower)) == [(10, 1.0), (20, 2.0), (40, 4.0)]
    assert "replaced or cut short" in follower.problems[0]


def test_of_several_runs_the_first_that_has_logged_is_followed_and_left_when_the_id_appears(tmp_path: Path) -> None:
    write_segment(tmp_path, "offline-run-20260101_000000-one", {}, run_id="one")
    write_segment(tmp_path, "offline-run-20260102_000000-two", {10: 2.0}, run_id="two")
    write_segment(tmp_path, "offline-run-20260103_000000-three", {10: 1.0, 20: 1.0}, run_id="three")
    (tmp_path / "wandb" / "latest-run").symlink_to("offline-run-20260103_000000-three")
    follower = read_all(follow(tmp_path, run_id="abc"))
    assert (loss(follower), follower.wandb_id, follower.others) == ([(10, 2.0)], "two", ["one", "three"])
    assert follower.step == 10
    write_segment(tmp_path, "offline-run-20260104_000000-abc", {10: 3.0})
    assert loss(read_all(follower)) == [(10, 3.0)]
    assert (follower.wandb_id, len(follower.others)) == ("abc", 3)


def test_an_earlier_run_that_logs_late_takes_the_place_of_a_later_one_however_it_is_read(tmp_path: Path) -> None:
    first = write_segment(tmp_path, "offline-run-20260101_000000-one", {0: 5.0, 10: 6.0}, run_id="one")
    data = first.read_bytes()
    first.write_bytes(data[:7])
    write_segment(tmp_path, "offline-run-20260101_000001-two", {0: 1.0}, run_id="two")
    follower = read_all(follow(tmp_path))
    assert follower.wandb_id == "two"
    first.write_bytes(data)
    assert loss(read_all(follower)) == loss(read_all(follow(tmp_path))) == [(0, 5.0), (10, 6.0)]


def started(run_dir: Path, run_id: str, second: int, nanos: int, value: float) -> Path:
    """A run whose folder name has only seconds, always the same, but whose record has the exact time of its start."""
    directory = run_dir / "wandb" / f"offline-run-20260101_000000-{run_id}"
    directory.mkdir(parents=True)
    at = part(17, number(1, second) + number(2, nanos))
    path = directory / f"run-{run_id}.wandb"
    path.write_bytes(frame([part(17, part(1, run_id) + at), new_row({"loss": value}, 1)]))
    return path


def test_of_runs_that_started_in_one_second_the_first_is_known_by_its_record(tmp_path: Path) -> None:
    started(tmp_path, "a", 1_767_225_600, 900_000_000, 3.0)
    started(tmp_path, "bbbbbbbb", 1_767_225_600, 5, 1.0)
    started(tmp_path, "ccc", 1_767_225_600, 400_000_000, 2.0)
    follower = read_all(follow(tmp_path))
    assert (follower.wandb_id, loss(follower, "loss")) == ("bbbbbbbb", [(1, 1.0)])


def summary_record(values: dict[str, object]) -> bytes:
    return part(3, b"".join(item((key,), json.dumps(value)) for key, value in values.items()))


def test_a_metric_that_only_the_summary_has_is_one_point_and_a_history_is_left_as_it_is(tmp_path: Path) -> None:
    path = write_segment(tmp_path, "offline-run-20260101_000000-abc", {0: 2.0, 10: 1.0}, end=0)
    image = part(3, item(("im", "_type"), '"image-file"') + item(("im", "size"), "7"))
    records = [
        summary_record({"AUC": 0.5, "train": {"loss": 9}, "acc": {"max": 0.9}, "word": "x", "_runtime": 3}),
        image,
        part(200, part(1, "abc")) + summary_record({"AUC": 0.75}),  # as wandb 0.31 writes values that a script sets
    ]
    path.write_bytes(path.read_bytes() + frame(records)[7:])
    follower = read_all(follow(tmp_path))
    assert loss(follower) == [(0, 2.0), (10, 1.0)]
    assert list(follower.columns["AUC"]) == [(10, 0.75)]
    assert set(follower.columns) == {"train.loss", "AUC", "acc.max"}
    files = path.parent / "files"
    files.mkdir()
    (files / "wandb-summary.json").write_text('{"_step": 10, "train": {"loss": 9}, "F1": NaN, "AUC": 0.8, "n": {"x": 1}}')
    read_all(follower)
    assert list(follower.columns["AUC"]) == [(10, 0.8)]
    assert set(follower.columns) == {"train.loss", "AUC", "acc.max", "F1", "n.x"}
    assert follower.problems == []


def test_a_metric_that_gets_rows_after_its_summary_is_its_rows(tmp_path: Path) -> None:
    path = write_segment(tmp_path, "offline-run-20260101_000000-abc", {0: 2.0})
    whole = path.read_bytes()
    path.write_bytes(whole + frame([summary_record({"late": 4.0})])[7:])
    follower = read_all(follow(tmp_path))
    assert list(follower.columns["late"]) == [(0, 4.0)]
    rows = [new_row({"late": 3.0}, 5), new_row({"late": 2.0}, 6)]
    path.write_bytes(whole + frame([summary_record({"late": 4.0}), *rows])[7:])
    assert list(read_all(follower).columns["late"]) == [(5, 3.0), (6, 2.0)]


def test_a_history_that_ends_long_before_its_summary_is_told(tmp_path: Path) -> None:
    rows = {step: 1.0 for step in range(0, 100, 10)}
    path = write_segment(tmp_path, "offline-run-20260101_000000-abc", rows)
    whole = path.read_bytes()
    path.write_bytes(whole + frame([summary_record({"_step": 100, "loss": 1})])[7:])
    assert read_all(follow(tmp_path)).problems == []
    path.write_bytes(whole + frame([summary_record({"_step": 5000, "loss": 1})])[7:])
    (problem,) = read_all(follow(tmp_path)).problems
    assert "ends at step 90, but its summary is from step 5000: rows are missing" in problem


def test_what_was_read_stays_when_the_files_are_removed(tmp_path: Path) -> None:
    write_segment(tmp_path, "offline-run-20260101_000000-abc", {10: 1.0}, end=0)
    follower = read_all(follow(tmp_path, run_id="abc"))
    shutil.rmtree(tmp_path / "wandb")
    assert read_all(follower).exit_code == 0
    assert loss(follower) == [(10, 1.0)]


def test_jsonl_is_found_in_every_layout(tmp_path: Path) -> None:
    row = json.dumps({"_step": 3, "_timestamp": 5.0, "loss": 0.5}) + "\n"
    for index, place in enumerate(
        [
            "wandb/run-20200101_000000-abc/wandb-history.jsonl",
            "wandb/run-20200101_000000-abc/files/wandb-history.jsonl",
            "wandb/wandb-history.jsonl",
            "wandb-history.jsonl",
        ]
    ):
        path = tmp_path / str(index) / place
        path.parent.mkdir(parents=True)
        path.write_text(row)
        follower = read_all(follow(tmp_path / str(index), run_id="abc"))
        assert (follower.source, loss(follower, "loss"), follower.step) == ("jsonl", [(3, 0.5)], 3), place
    latest = tmp_path / "latest" / "wandb" / "latest-run" / "files"
    latest.mkdir(parents=True)
    (latest / "wandb-history.jsonl").write_text(row)
    assert read_all(follow(tmp_path / "latest")).source == "jsonl"


def test_metrics_come_from_the_console_until_w_and_b_has_some_and_progress_from_both(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(LOG)
    follower = read_all(follow(tmp_path / "out", run_id="abc", log=log, log_freq=100, patterns=LEROBOT))
    assert follower.source == "console"
    assert loss(follower, "train/loss") == [(100, 9.0)]
    assert (follower.step, follower.total_steps, follower.rate) == (100, 400, 5.0)
    path = write_segment(tmp_path / "out", "offline-run-20260101_000000-abc", {50: 1.5, 90: 1.25})
    data = path.read_bytes()
    path.write_bytes(data[:7])
    assert read_all(follower).source == "console"
    path.write_bytes(data)
    read_all(follower)
    assert follower.source == "wandb"
    assert loss(follower) == [(50, 1.5), (90, 1.25)]
    assert (follower.step, follower.total_steps, follower.rate) == (100, 400, 1.0)
    assert follower.ended is False
    with log.open("a") as file:
        file.write("End of training\n")
    assert read_all(follower).ended is True


def test_a_real_run_is_found_with_and_without_its_id(finished_dir: Path) -> None:
    for run_id in ("done1234", None, "unknown0"):
        follower = read_all(follow(finished_dir, run_id=run_id))
        assert (follower.source, follower.step, follower.total_steps, follower.exit_code) == ("wandb", 595, 200, 0)
        assert len(follower.columns["train/m1"]) == 120


def test_a_file_that_two_readers_read_is_read_by_both(tmp_path: Path) -> None:
    folder = tmp_path / "wandb" / "run-20260101_000000-abc"
    folder.mkdir(parents=True)
    summary = folder / "wandb-summary.json"
    (folder / "wandb-history.jsonl").write_text('{"_step":1,"old":1}\n')
    summary.write_text('{"_step":4,"best":1.0}')
    follower = read_all(follow(tmp_path))
    written = write_segment(tmp_path / "other", folder.name, {1: 1.0, 4: 0.5})
    written.rename(folder / written.name)
    assert loss(read_all(follower), "best") == [(4, 1.0)]
    summary.write_text('{"_step":4,"best":2.0}')
    assert follower.poll(changed=[str(summary)])
    assert loss(follower, "best") == [(4, 2.0)]
