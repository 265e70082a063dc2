"""Files written by the real wandb: finished, interrupted and killed."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers import follow
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.wandb_log import WandbLog

from tests.metric_readers.builder import is_prefix, plain, read, read_all, reference
from tests.metric_readers.conftest import ENDLESS
from tests.support.waiting import PATIENCE


def test_every_number_is_what_wandbs_own_protobuf_says(finished_file: Path) -> None:
    expected = reference(finished_file.read_bytes())
    log = read(finished_file)
    media = {key for key in expected if key.startswith("table.")}
    assert media, "the table's sizes are in the file"
    assert set(log.columns.series) == set(expected) - media
    for key, series in log.columns.series.items():
        assert list(map(repr, series)) == list(map(repr, expected[key])), key
    assert log.rows == 120
    assert log.step == 595
    assert log.problems == []


def test_nan_infinity_sparse_and_nested_values_are_kept_and_words_are_not(finished_file: Path) -> None:
    columns = read(finished_file).columns.series
    assert [math.isnan(value) for value in columns["train/nan"].values[:4]] == [False, True, False, True]
    assert columns["train/inf"].values[7] == -math.inf
    assert columns["train/inf"].values[8] == math.inf
    assert list(columns["eval/offline_eval/avg_l1"].steps) == list(range(0, 600, 50))
    assert list(columns["nested.b.c"].values) == list(range(120))
    assert columns["big"].values[0] == 1e20
    assert not {"train/flag", "train/word", "_step", "_runtime", "hist.bins"} & set(columns)


def test_config_and_exit_code_are_read(finished_file: Path) -> None:
    log = read(finished_file)
    assert log.config == {"steps": 200, "ot": {"reg": 0.1, "list": [1, 2]}, "x": None, "late": {"a": 1}}
    assert log.exit_code == 0


def test_growing_in_random_pieces_gives_the_whole(finished_file: Path, tmp_path: Path) -> None:
    data = finished_file.read_bytes()
    whole = read(finished_file)
    rng = random.Random(7)
    path = tmp_path / "run-x.wandb"
    log = WandbLog(path, Columns())
    assert not log.poll()
    at = 0
    while at < len(data):
        at += rng.choice((1, 7, 100, 900, 5000, 32768))
        path.write_bytes(data[:at]) if rng.random() < 0.02 else _append(path, data[_size(path) : at])
        read_all(log)
        assert is_prefix(log.columns.series, whole.columns.series)
    assert plain(log.columns.series) == plain(whole.columns.series)
    assert log.exit_code == 0
    assert log.problems == []


@pytest.mark.parametrize(("sent", "exit_code"), [(signal.SIGKILL, None), (signal.SIGINT, 255)])
def test_a_run_is_seen_live_and_how_it_ended_is_known(
    start_wandb: Any, tmp_path: Path, sent: signal.Signals, exit_code: int | None
) -> None:
    process = start_wandb(ENDLESS, "live1234", tmp_path)
    follower = follow(tmp_path, run_id="live1234")
    deadline = time.monotonic() + PATIENCE
    while follower.step < 60:
        if not follower.poll():
            time.sleep(0.01)
        assert process.poll() is None
        assert time.monotonic() < deadline, "nothing was seen of a run that logs all the time"
    assert follower.source == "wandb"
    assert follower.exit_code is None
    assert follower.rate is not None
    assert follower.total_steps == 200
    os.killpg(process.pid, sent) if sent == signal.SIGKILL else process.send_signal(sent)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pytest.fail("the trainer did not end")
    while follower.poll():
        pass
    assert follower.exit_code == exit_code
    assert follower.ended == (exit_code is not None)
    assert follower.problems == []
    assert list(follower.columns["m"].values) == list(range(len(follower.columns["m"])))
    assert list(follower.columns["m"].steps) == list(range(len(follower.columns["m"])))
    assert len(follower.columns["m"]) >= 60


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
