"""The steps of a run are those of its trainer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from autoloop.metric_readers import Follower, follow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metric_readers.builder import frame, new_row, part, plain
from tests.metric_readers.conftest import wandb_environment

Row = dict[str, float]
Folder = Callable[[Path, list[Row]], Path]


def read_all(follower: Follower, budget: int = 4 << 20) -> Follower:
    for _ in range(1000):
        if not follower.poll(budget):
            return follower
    raise AssertionError("the follower does not come to an end")


def wandb_folder(folder: Path, rows: list[Row], *, own: list[int] | None = None, defined: bytes = b"") -> Path:
    """Write a W&B run whose rows were logged one after another, or at the steps `own`."""
    place = folder / "wandb" / "offline-run-20260101_000000-abc"
    place.mkdir(parents=True)
    steps = own or list(range(len(rows)))
    records = [new_row({(key,): value for key, value in row.items()}, step) for step, row in zip(steps, rows, strict=True)]
    (place / "run-abc.wandb").write_bytes(frame([part(17, b""), *([part(12, defined)] if defined else []), *records]))
    return folder


def json_folder(folder: Path, rows: list[Row]) -> Path:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def csv_folder(folder: Path, rows: list[Row]) -> Path:
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [",".join(str(row.get(name, "")) for name in names) for row in rows]
    (folder / "metrics.csv").write_text("\n".join([",".join(names), *lines, ""]))
    return folder


every_kind = pytest.mark.parametrize("folder", [wandb_folder, json_folder, csv_folder])
NAMES = ["global_step", "trainer/global_step", "train/global_step", "iter", "iteration", "epoch"]


@every_kind
@pytest.mark.parametrize("name", NAMES)
def test_the_counter_that_a_trainer_logs_is_the_step_and_no_metric(folder: Folder, name: str, tmp_path: Path) -> None:
    rows: list[Row] = [{name: 20.0 * row, "loss": 9.0 - row} for row in range(5)]
    follower = read_all(follow(folder(tmp_path, rows)))
    assert list(follower.columns["loss"]) == [(20 * row, 9.0 - row) for row in range(5)]
    assert set(follower.columns) == {"loss"}
    assert follower.step == 80


@every_kind
def test_the_first_of_the_counters_wins_and_the_presets_before_all(folder: Folder, tmp_path: Path) -> None:
    rows: list[Row] = [{"epoch": row, "iter": 10 * row, "tokens": 100 * row, "loss": 1.0} for row in range(3)]
    place = folder(tmp_path, rows)
    plain = read_all(follow(place))
    assert (list(plain.columns["loss"].steps), set(plain.columns)) == ([0, 10, 20], {"loss", "epoch", "tokens"})
    named = read_all(follow(place, axis="tokens"))
    assert (list(named.columns["loss"].steps), set(named.columns)) == ([0, 100, 200], {"loss", "epoch", "iter"})
    assert list(read_all(follow(place, axis="absent")).columns["loss"].steps) == [0, 10, 20]


@every_kind
def test_without_a_counter_the_step_is_the_number_of_the_row(folder: Folder, tmp_path: Path) -> None:
    rows: list[Row] = [{"loss": 3.0}, {"loss": 2.0}, {"val": 5.0}]
    follower = read_all(follow(folder(tmp_path, rows)))
    assert list(follower.columns["loss"].steps) == [0, 1]
    assert list(follower.columns["val"].steps) == [2]


@every_kind
def test_an_epoch_of_many_rows_is_a_metric_not_the_step(folder: Folder, tmp_path: Path) -> None:
    rows: list[Row] = [{"epoch": row // 3, "loss": float(row)} for row in range(9)]
    follower = read_all(follow(folder(tmp_path, rows)), budget=1)
    assert list(follower.columns["loss"].steps) == list(range(9))
    assert list(follower.columns["epoch"].values) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_an_epoch_gives_way_to_steps_that_the_trainer_gave_itself(tmp_path: Path) -> None:
    rows: list[Row] = [{"epoch": row, "acc": 0.5} for row in range(3)]
    follower = read_all(follow(wandb_folder(tmp_path, rows, own=[100, 200, 300])))
    assert list(follower.columns["acc"].steps) == [100, 200, 300]


def test_a_row_without_the_counter_stands_where_the_row_before_it_did(tmp_path: Path) -> None:
    rows: list[Row] = [{"x": 1}, {"iter": 50, "loss": 3}, {"val": 4}, {"iter": 70, "loss": 2}, {"val": 5}]
    follower = read_all(follow(wandb_folder(tmp_path, rows)))
    assert list(follower.columns["val"].steps) == [50, 70]
    assert list(follower.columns["x"].steps) == [0]


def test_a_counter_of_a_few_rows_does_not_draw_all_others_to_it(tmp_path: Path) -> None:
    rows: list[Row] = [{"loss": float(row)} if row % 5 else {"acc": 1.0, "global_step": 100.0 * row} for row in range(20)]
    follower = read_all(follow(wandb_folder(tmp_path, rows)))
    assert list(follower.columns["loss"].steps) == [row for row in range(20) if row % 5]
    named = read_all(follow(tmp_path, axis="global_step"))
    assert list(named.columns["acc"].steps) == [0, 500, 1000, 1500]


@pytest.mark.parametrize("kind", [json_folder, csv_folder])
def test_each_file_of_a_run_counts_its_own_rows(kind: Folder, tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("version_0", "version_1", "val")]
    for index, place in enumerate(places):
        place.mkdir()
        kind(place, [{"iter": 100 * index + 10 * row, "loss": float(index)} for row in range(3 + index)])
    follower = read_all(follow(tmp_path))
    assert set(follower.columns) == {"loss", "val/loss"}
    assert list(follower.columns["loss"].steps) == [0, 10, 20, 100, 110, 120, 130]
    assert list(follower.columns["val/loss"].steps) == [200, 210, 220, 230, 240]
    kind(places[1], [{"iter": 20 + 10 * row, "loss": 9.0} for row in range(2)])
    assert list(read_all(follower).columns["loss"]) == [(0, 0), (10, 0), (20, 9), (30, 9)]


def test_several_values_at_one_count_are_one_point(tmp_path: Path) -> None:
    rows: list[Row] = [{"global_step": 10 * (row // 2), "loss": float(row)} for row in range(6)]
    follower = read_all(follow(wandb_folder(tmp_path, rows)))
    assert list(follower.columns["loss"]) == [(0, 1), (10, 3), (20, 5)]


def test_a_resumed_run_that_repeats_steps_has_each_once_with_the_later_value(tmp_path: Path) -> None:
    rows: list[Row] = [{"global_step": step, "loss": n} for n, step in enumerate([0, 10, 20, 30, 20, 30, 40])]
    follower = read_all(follow(wandb_folder(tmp_path, rows)))
    assert list(follower.columns["loss"]) == [(0, 0), (10, 1), (20, 4), (30, 5), (40, 6)]


def test_a_later_segment_that_repeats_rows_moves_what_follows_to_its_steps(tmp_path: Path) -> None:
    def segment(day: int, rows: dict[int, Row]) -> None:
        place = tmp_path / "wandb" / f"offline-run-2026010{day}_000000-abc"
        place.mkdir(parents=True)
        records = [new_row({(key,): value for key, value in row.items()}, own) for own, row in rows.items()]
        (place / "run-abc.wandb").write_bytes(frame([part(17, b""), *records]))

    segment(1, {own: {"global_step": 10 * own, "loss": own} for own in range(5)})
    follower = read_all(follow(tmp_path, run_id="abc"))
    assert list(follower.columns["loss"].steps) == [0, 10, 20, 30, 40]
    segment(2, {own: {"global_step": 100 * own, "loss": own} for own in range(3, 7)})
    expected = [(0, 0), (10, 1), (20, 2), (300, 3), (400, 4), (500, 5), (600, 6)]
    assert list(read_all(follower).columns["loss"]) == expected
    assert list(read_all(follow(tmp_path, run_id="abc")).columns["loss"]) == expected


def test_a_counter_that_appears_late_puts_all_on_its_axis_however_it_was_read(tmp_path: Path) -> None:
    early: list[Row] = [{"epoch": 0, "loss": 5}, {"epoch": 1, "loss": 4}]
    follower = follow(json_folder(tmp_path, early))
    assert list(read_all(follower).columns["loss"].steps) == [0, 1]
    json_folder(tmp_path, [*early, {"iter": 10, "loss": 3}, {"iter": 20, "loss": 2}])
    read_all(follower)
    assert list(follower.columns["loss"].steps) == [0, 1, 10, 20]
    assert list(read_all(follow(tmp_path)).columns["loss"].steps) == [0, 1, 10, 20]


def test_the_rate_is_in_the_trainers_steps(tmp_path: Path) -> None:
    rows: list[Row] = [{"iter": 20.0 * row, "loss": 1.0, "_timestamp": 1e9 + row} for row in range(5)]
    assert read_all(follow(wandb_folder(tmp_path, rows))).rate == 20


DEFINED = """
import sys, wandb
run = wandb.init(mode="offline", project="p", id="defined1")
run.define_metric("train/global_step")
run.define_metric("*", step_metric="train/global_step", step_sync=True)
run.define_metric("val/*", step_metric="round")
run.define_metric("val/best", step_metric="train/global_step")
for row in range(4):
    run.log({"train/global_step": 25 * row, "train/loss": 4.0 - row})
    run.log({"round": row, "val/acc": row / 10, "val/best": row})
run.finish()
"""


def test_what_w_and_bs_define_metric_says_is_the_axis_of_each_metric(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", DEFINED], env=wandb_environment(tmp_path), cwd=tmp_path, check=True, stdin=subprocess.DEVNULL
    )
    follower = read_all(follow(tmp_path))
    assert list(follower.columns["train/loss"]) == [(0, 4), (25, 3), (50, 2), (75, 1)]
    assert list(follower.columns["val/acc"].steps) == [0, 1, 2, 3]
    assert list(follower.columns["val/best"].steps) == [0, 25, 50, 75]
    assert set(follower.columns) == {"train/loss", "val/acc", "val/best"}
    assert follower.step == 75
    named = read_all(follow(tmp_path, axis="round"))
    assert list(named.columns["val/best"].steps) == [0, 1, 2, 3]


NUMBERS = st.one_of(st.integers(0, 5), st.sampled_from([0.5, -1]))
ROWS = st.lists(st.dictionaries(st.sampled_from(["iter", "epoch", "_step", "loss", "acc"]), NUMBERS), max_size=14)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, cuts=st.lists(st.integers(0, 14), max_size=5), named=st.sampled_from([None, "acc", "epoch"]))
def test_rows_that_come_one_by_one_stand_where_they_do_when_all_are_read_at_once(
    rows: list[Row], cuts: list[int], named: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "wandb-history.jsonl"
    lines = [json.dumps(row) + "\n" for row in rows]
    path.write_text("")
    follower = follow(tmp_path, axis=named)
    for begin, end in pairwise([0, *sorted(cuts), len(lines)]):
        with path.open("a") as file:
            file.writelines(lines[begin:end])
        read_all(follower)
        fresh = read_all(follow(tmp_path, axis=named))
        assert plain(follower.columns) == plain(fresh.columns)
        assert follower.step == fresh.step
    path.unlink()
