"""`wandb-history.jsonl`, growing or damaged."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from autoloop.metric_readers import tail
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.jsonl import JsonlLog

from tests.metric_readers.builder import is_prefix, plain

LINES = [
    '{"_step": 0, "_timestamp": 100.5, "loss": 1.5, "ok": true, "word": "x", "ot": {"a": 1, "b": {"c": 2}}}',
    '{"_step": 10, "_timestamp": 101.5, "loss": NaN, "up": Infinity, "down": -Infinity}',
    '{"_step": 20, "_timestamp": 102.5, "loss": "NaN", "up": "Infinity", "l": [1], "i": {"_type": "i", "w": 3}}',
    '{"_step": 30, "_timestamp": 103.5, "loss": 12345678901234567890123, "é": 5e-324}',
]


def read_all(log: JsonlLog) -> JsonlLog:
    for _ in range(1000):
        if not log.poll():
            return log
    raise AssertionError("the reader does not come to an end")


def read(path: Path) -> JsonlLog:
    return read_all(JsonlLog(path, Columns()))


def test_numbers_are_read_with_nan_nested_dicts_and_their_steps(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    log = read(path)
    columns = log.columns.series
    assert set(columns) == {"loss", "ot.a", "ot.b.c", "up", "down", "é"}
    assert list(columns["loss"].steps) == [0, 10, 20, 30]
    assert columns["loss"].values[0] == 1.5
    assert math.isnan(columns["loss"].values[1])
    assert math.isnan(columns["loss"].values[2])
    assert columns["loss"].values[3] == 12345678901234567890123.0
    assert list(columns["up"].values) == [math.inf, math.inf]
    assert list(columns["down"].values) == [-math.inf]
    assert list(log.times)[-1] == (30, 103.5)
    assert log.problems == []


def test_a_partial_last_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(LINES[0] + "\n" + LINES[1][:-1])
    log = read(path)
    assert log.rows == 1
    with path.open("a") as file:
        file.write(LINES[1][-1:] + "\n")
    assert log.poll()
    assert log.rows == 2
    assert log.problems == []


def test_a_last_row_without_a_line_end_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(LINES[0] + "\n" + LINES[1])
    log = read(path)
    assert log.rows == 2
    with path.open("a") as file:
        file.write("\n" + LINES[2])
    assert read_all(log).rows == 3
    assert list(log.columns.series["loss"].steps) == [0, 10, 20]
    assert log.problems == []


@pytest.mark.parametrize(
    "text",
    [
        "[" + ", ".join(LINES) + "]",
        "\ufeff[\n" + ",\n".join(LINES) + "\n]\n",
        " [\r\n  " + "\r\n, ".join(LINES) + "]",
        "\ufeff" + "\r\n".join(LINES),
        "\n\n" + "\n\n".join(LINES) + "\n\n",
    ],
    ids=["array", "array with a BOM over lines", "array with CRLF", "lines with a BOM and CRLF", "blank lines"],
)
def test_arrays_boms_and_other_line_ends_are_read_like_lines(tmp_path: Path, text: str) -> None:
    plainly, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    plainly.write_text("\n".join(LINES) + "\n")
    other.write_bytes(text.encode())
    assert plain(read(other).columns.series) == plain(read(plainly).columns.series)
    assert read(other).problems == []


@pytest.mark.parametrize(
    "text", ['{"_step": 1, "loss": 2}\n{"_step": 2, "lo', LINES[0] + LINES[1]], ids=["cut", "no line ends"]
)
def test_a_last_line_that_is_no_row_is_told_until_it_is_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(text)
    log = read(path)
    assert log.problems == [f"{path}: its last line is not complete and was left out"]
    read_all(log)
    assert len(log.problems) == 1
    if text.endswith('"lo'):
        with path.open("a") as file:
            file.write('ss": 1}')
        assert read_all(log).rows == 2
        assert log.problems == []


def test_rows_without_a_number_and_other_encodings_are_told(tmp_path: Path) -> None:
    texts = tmp_path / "a.jsonl"
    texts.write_text('{"_step": "1", "loss": "0.5"}\n' * 3)
    assert read(texts).problems == [f"{texts}: no metric of its 3 rows is a number"]
    wide = tmp_path / "b.jsonl"
    wide.write_bytes("\n".join(LINES).encode("utf-16"))
    log = read(wide)
    assert log.rows == 0
    assert "not JSON objects" in log.problems[0]


def test_an_array_is_read_when_it_is_complete_and_told_until_then(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("[" + LINES[0] + ",")
    log = read(path)
    assert (log.rows, len(log.problems)) == (0, 1)
    assert "not complete" in log.problems[0]
    with path.open("a") as file:
        file.write(LINES[1] + ", 7]")
    read_all(log)
    assert log.rows == 2
    assert log.problems == [f"{path}: skipped 1 element of its array that is not a JSON object"]


def test_an_array_that_lines_replace_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("[" + ",".join(LINES) + "]")
    log = read(path)
    path.write_text(LINES[0])
    read_all(log)
    assert (log.rows, list(log.columns.series["loss"])) == (1, [(0, 1.5)])


@pytest.mark.parametrize(("steps", "told"), [([0, 1, 2, 0, 1], True), ([0, 1, 2, 1, 2, 3], False), ([5, 5, 5, 6], False)])
def test_steps_that_begin_again_are_told(tmp_path: Path, steps: list[int], told: bool) -> None:
    """Two runs that append to one file are reported; a run that resumes from a checkpoint is not."""
    path = tmp_path / "h.jsonl"
    path.write_text("".join(json.dumps({"_step": step, "loss": 1}) + "\n" for step in steps))
    assert ["several runs" in problem for problem in read(path).problems] == [True] * told


def turns(first: list[int], second: list[int], size: int) -> list[int]:
    """Return the steps of two writers that alternate every `size` rows."""
    pieces = [steps[at : at + size] for at in range(0, len(first), size) for steps in (first, second)]
    return [step for piece in pieces for step in piece]


ONE, OTHER = list(range(1000, 1400, 10)), list(range(0, 400, 10))
RESUMED = [step for first, last in [(0, 300), (155, 400), (251, 600), (491, 800)] for step in range(first, last, 10)]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (turns(ONE, OTHER, 1), True),
        (turns(ONE, OTHER, 8), True),
        (turns([step + 955 for step in OTHER], OTHER, 3), True),
        # Resumed from checkpoints, at other steps or at the same ones.
        (RESUMED, False),
        ([*range(0, 300, 10), *range(290, 400, 10), *range(390, 600, 10), *range(590, 800, 10)], False),
        ([step for step in ONE for _ in range(4)], False),  # some trainers log several rows per step
        ([0, 10, 5, 20, 15, 30, 25, 40, 35], False),  # out of order, by steps of the usual size
    ],
)
def test_two_writers_that_take_turns_are_told_and_a_run_that_was_resumed_is_none(
    tmp_path: Path, steps: list[int], told: bool
) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("".join(json.dumps({"step": step, "loss": 1, "epoch": 0.5}) + "\n" for step in steps))
    assert ["back and forth" in problem for problem in read(path).problems] == [True] * told


def test_a_metric_that_is_logged_late_is_no_other_writer(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    rows = [
        row
        for at in range(100, 900, 10)
        for row in ({"step": at, "epoch": 1, "loss": 1}, {"step": at - 50, "epoch": 1, "eval": 1})
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [problem for problem in read(path).problems if "back and forth" in problem] == []


def test_growing_in_random_pieces_gives_prefixes_of_the_whole(tmp_path: Path) -> None:
    data = ("\n".join(LINES * 3 + ["{broken", "", "[1]"] + LINES) + "\n").encode()
    path = tmp_path / "h.jsonl"
    path.write_bytes(data)
    whole = read(path)
    assert whole.damaged == 2
    rng = random.Random(3)
    for _ in range(30):
        path.unlink()
        log = JsonlLog(path, Columns())
        at = 0
        while at < len(data):
            piece = rng.randrange(1, 200)
            with path.open("ab") as file:
                file.write(data[at : at + piece])
            at += piece
            read_all(log)
            assert is_prefix(log.columns.series, whole.columns.series)
        assert plain(log.columns.series) == plain(whole.columns.series)
        assert (log.rows, log.damaged) == (whole.rows, 2)


def test_rows_without_w_and_b_steps_are_counted_or_use_their_own(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text('{"loss": 3}\n{"loss": 2}\n{"step": 50, "loss": 1}\n{"loss": 0}\n')
    assert list(read(path).columns.series["loss"].steps) == [0, 1, 50, 51]


def test_a_later_row_of_a_step_replaces_the_earlier_and_steps_stay_rising(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    rows = [(0, 1), (10, 2), (20, 3), (10, 9), (5, 8)]
    path.write_text("".join(json.dumps({"_step": step, "loss": value}) + "\n" for step, value in rows))
    assert list(read(path).columns.series["loss"]) == [(0, 1.0), (5, 8.0), (10, 9.0), (20, 3.0)]


def test_a_line_without_end_is_dropped_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(LINES[0] + "\n" + "x" * (5 * tail.MAX_LINE) + "\n" + LINES[1] + "\n")
    log = read(path)
    assert log.rows == 2
    assert "1 lines longer than 1 MiB" in log.problems[0]


@pytest.mark.parametrize("files", [400, pytest.param(4000, marks=pytest.mark.faults)])
def test_mutated_lines_neither_raise_nor_hang(tmp_path: Path, files: int) -> None:
    path = tmp_path / "h.jsonl"
    data = ("\n".join(LINES) + "\n" + "[" * 3000 + "\n").encode()
    rng = random.Random(5)
    rows = 0
    for _ in range(files):
        out = bytearray(data)
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(len(out))
            out[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
        path.write_bytes(out)
        rows += read(path).rows
    assert rows > files
