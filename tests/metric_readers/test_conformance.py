"""Guarantees of every MetricReader, whatever it reads. Add each new kind of source to READERS."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from autoloop.metric_readers import MetricReader
from autoloop.metric_readers.console_log import ConsoleLog
from autoloop.metric_readers.file_sources import FileSources
from autoloop.metric_readers.jsonl_run import JsonlRun
from autoloop.metric_readers.wandb_choice import WandbChoice
from autoloop.trainers import load_preset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metric_readers.boards import board_events, scalar_event
from tests.metric_readers.builder import config, frame, is_prefix, new_row, number, part, plain

Rows = Sequence[dict[str, float]]


@dataclass(frozen=True)
class Source:
    """A kind of reader: its file in a run's directory, how rows are written to it, and how it is opened."""

    place: str
    written: Callable[[Rows], bytes]
    opened: Callable[[Path], MetricReader]

    def path(self, folder: Path) -> Path:
        path = folder / self.place
        path.parent.mkdir(parents=True, exist_ok=True)
        if "mlruns" in path.parts:
            (path.parent.parent / "meta.yaml").write_text("start_time: 1767225600000\n")
        return path


def wandb_rows(rows: Rows) -> bytes:
    records = [new_row({(key,): value for key, value in row.items()}, 3 * index) for index, row in enumerate(rows)]
    return frame([part(17, part(4, config({"steps": 30}))), *records])


def json_rows(rows: Rows) -> bytes:
    return "".join(json.dumps({"_step": 3 * index, **row}) + "\n" for index, row in enumerate(rows)).encode()


def printed_rows(rows: Rows) -> bytes:
    lines = [
        f"INFO step:{3 * index} {' '.join(f'{key}:{value!r}' for key, value in row.items())}\n"
        f"\rTraining:  25%|█ | {3 * index}/400 [00:00<00:02, 5.00step/s]"
        for index, row in enumerate(rows)
    ]
    return "".join([*lines, "\n"]).encode()


def csv_rows(rows: Rows) -> bytes:
    names = sorted({key for row in rows for key in row})
    lines = [
        ",".join([str(3 * index), *(repr(row[name]) if name in row else "" for name in names)])
        for index, row in enumerate(rows)
    ]
    return "".join(line + "\n" for line in [",".join(["step", *names]), *lines]).encode()


def logged_rows(rows: Rows) -> bytes:
    return "".join(json.dumps({"current_steps": 3 * index, **row}) + "\n" for index, row in enumerate(rows)).encode()


def trainer_state(rows: Rows) -> bytes:
    history = [{"step": 3 * index, **row} for index, row in enumerate(rows)]
    return json.dumps({"global_step": 9, "log_history": history, "max_steps": 400}, indent=2, sort_keys=True).encode()


def scalar_events(rows: Rows) -> bytes:
    values = [(3 * index, key, value) for index, row in enumerate(rows) for key, value in row.items()]
    return board_events([scalar_event(*value) for value in values])


def tensor_events(rows: Rows) -> bytes:
    values = [(3 * index, key, value) for index, row in enumerate(rows) for key, value in row.items()]
    return board_events([scalar_event(*value, tensor=True) for value in values])


def database(*statements: tuple[str, Sequence[tuple[object, ...]]]) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA page_size = 512")
        for statement, rows in statements:
            connection.executemany(statement, rows) if rows else connection.execute(statement)
        connection.commit()
        return connection.serialize()


def trackio_rows(rows: Rows) -> bytes:
    logged = [("2026-01-01T00:00:00+00:00", "one", 3 * index, json.dumps(row)) for index, row in enumerate(rows)]
    return database(
        (
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT)",
            (),
        ),
        *([("INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)", logged)] if logged else []),
    )


def mlflow_rows(rows: Rows) -> bytes:
    values = [
        (key, 0.0 if value != value else value, 1000 * index, "abc", 3 * index, value != value)
        for index, row in enumerate(rows)
        for key, value in row.items()
    ]
    return database(
        ("CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN)", ()),
        *([("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", values)] if values else []),
    )


def mlflow_lines(rows: Rows) -> bytes:
    """Return one metric's file, with the first value of each row."""
    values = [(3 * index, value) for index, row in enumerate(rows) for value in list(row.values())[:1]]
    return "".join(f"{1767225600000 + step} {value!r} {step}\n" for step, value in values).encode()


def swanlab_rows(rows: Rows) -> bytes:
    values = [(3 * index, key, value) for index, row in enumerate(rows) for key, value in row.items()]
    numbers = [part(1, key) + number(2, step) + part(5, b"\x09" + struct.pack("<d", value)) for step, key, value in values]
    return b":SWL\xd6\xe1\x02" + frame([part(13, scalar) for scalar in numbers])[7:]


EVENTS = "runs/exp/events.out.tfevents.1767225600.host.1.0"
READERS = {
    "wandb": Source(
        "wandb/offline-run-20260101_000000-abc/run-abc.wandb", wandb_rows, lambda folder: WandbChoice(folder, None)
    ),
    "tap": Source("wandb/autoloop-tap-abc.jsonl", json_rows, lambda folder: WandbChoice(folder, "abc")),
    "jsonl": Source("wandb-history.jsonl", json_rows, lambda folder: JsonlRun(folder, None)),
    "console": Source(
        "log.txt", printed_rows, lambda folder: ConsoleLog(folder / "log.txt", load_preset("lerobot").console)
    ),
}
FILES = {
    "JSON lines": ("metrics.jsonl", json_rows),
    "CSV": ("lightning_logs/version_0/metrics.csv", csv_rows),
    "TensorBoard": (EVENTS, scalar_events),
    "TensorBoard, tensors": (EVENTS, tensor_events),
    "trainer state": ("checkpoint-9/trainer_state.json", trainer_state),
    "trainer log": ("trainer_log.jsonl", logged_rows),
    "trackio": ("trackio/project.db", trackio_rows),
    "MLflow": ("mlflow.db", mlflow_rows),
    "MLflow's files": ("mlruns/1/abc/metrics/loss", mlflow_lines),
    "SwanLab": ("swanlog/run-20260101_000000-abc/run-abc.swanlab", swanlab_rows),
}
READERS |= {name: Source(place, written, FileSources) for name, (place, written) in FILES.items()}
ROWS = [{"loss": 1.5, "l1": 2.0}, {"loss": 1.25}, {"loss": float("nan"), "lr": 1e-05}, {"l1": -3.0}]
VALUES = st.one_of(st.floats(width=32), st.integers(-(10**9), 10**9).map(float))
MANY_ROWS = st.lists(st.dictionaries(st.sampled_from(["loss", "l1", "lr", "weight"]), VALUES, max_size=3), max_size=12)
PIECES = st.lists(st.one_of(st.integers(1, 20), st.integers(1, 2000)), min_size=1, max_size=12)
every_reader = pytest.mark.parametrize("source", READERS.values(), ids=READERS)


def read_all(reader: MetricReader, budget: int = 4 << 20) -> MetricReader:
    for _ in range(10_000):
        if not reader.poll(budget):
            return reader
    raise AssertionError("the reader does not come to an end")


def fresh(source: Source, folder: Path) -> MetricReader:
    return read_all(source.opened(folder))


def check_shape(reader: MetricReader) -> None:
    for series in reader.columns.values():
        assert len(series.steps) == len(series.values) > 0
        assert all(a < b for a, b in zip(series.steps, series.steps[1:], strict=False))
    assert reader.step >= max((series.steps[-1] for series in reader.columns.values()), default=0)
    assert reader.rate is None or reader.rate >= 0
    assert all(isinstance(problem, str) for problem in reader.problems)


@every_reader
def test_before_the_file_exists_there_is_nothing_and_no_problem(source: Source, tmp_path: Path) -> None:
    reader = source.opened(tmp_path)
    assert not reader.poll()
    assert (dict(reader.columns), reader.step, reader.rate, reader.problems) == ({}, 0, None, [])
    source.path(tmp_path).write_bytes(source.written(ROWS))
    assert read_all(reader).columns
    assert reader.step == 9
    check_shape(reader)


@every_reader
def test_every_beginning_of_a_file_reads_as_a_beginning_of_the_whole(source: Source, tmp_path: Path) -> None:
    data, path = source.written(ROWS), source.path(tmp_path)
    path.write_bytes(data)
    whole = fresh(source, tmp_path)
    for end in range(len(data)):
        path.write_bytes(data[:end])
        assert is_prefix(fresh(source, tmp_path).columns, whole.columns)


@every_reader
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=MANY_ROWS, pieces=PIECES)
def test_a_file_that_grows_in_any_pieces_reads_at_each_as_one_that_is_opened_then(
    source: Source, tmp_path: Path, rows: list[dict[str, float]], pieces: list[int]
) -> None:
    data, path = source.written(rows), source.path(tmp_path)
    path.write_bytes(data)
    whole = fresh(source, tmp_path)
    path.unlink()
    reader, at = source.opened(tmp_path), 0
    for piece in [*pieces, len(data)]:
        with path.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        read_all(reader, budget=1)
        assert plain(reader.columns) == plain(fresh(source, tmp_path).columns)
        assert is_prefix(reader.columns, whole.columns)
    assert plain(reader.columns) == plain(whole.columns)
    assert reader.step == whole.step
    check_shape(reader)
    path.unlink()


@every_reader
@pytest.mark.parametrize("how", ["cut short", "replaced"])
def test_a_file_that_is_replaced_or_cut_short_is_read_again_and_reported(source: Source, how: str, tmp_path: Path) -> None:
    path = source.path(tmp_path)
    path.write_bytes(source.written([{"loss": 1.0, "old": 2.0}] * 20))
    reader = fresh(source, tmp_path)
    if how == "cut short":
        path.write_bytes(source.written([{"loss": 7.0}] * 3))
    else:
        other = tmp_path / "other"
        other.write_bytes(source.written([{"loss": 7.0}] * 40))
        other.replace(path)
    assert reader.poll()
    read_all(reader)
    assert plain(reader.columns) == plain(fresh(source, tmp_path).columns)
    assert any("replaced or cut short" in problem and str(path) in problem for problem in reader.problems)


@every_reader
def test_what_was_read_stays_when_the_file_is_removed(source: Source, tmp_path: Path) -> None:
    path = source.path(tmp_path)
    path.write_bytes(source.written(ROWS))
    reader = fresh(source, tmp_path)
    before = plain(reader.columns)
    path.unlink()
    assert plain(read_all(reader).columns) == before


@every_reader
@pytest.mark.parametrize("files", [100, pytest.param(1000, marks=pytest.mark.faults)])
def test_no_bytes_make_a_reader_raise_or_never_end(source: Source, tmp_path: Path, files: int) -> None:
    rng, path = random.Random(20261126), source.path(tmp_path)
    whole = source.written(ROWS * 3)
    for index in range(files):
        data = bytearray(whole if index % 3 else rng.randbytes(rng.randrange(600)))
        for _ in range(rng.randrange(1, 12)):
            at = rng.randrange(len(data) + 1)
            data[at : at + rng.randrange(30)] = rng.choice(
                (rng.randbytes(3), b"\0" * 9, b"[", b"{" * 20, b"\xff\xfe", b"9" * 40, b"\r", b"\n\n", b"e999", b'"')
            )
        path.write_bytes(data)
        check_shape(fresh(source, tmp_path))


@every_reader
@pytest.mark.parametrize("filler", [b"x", b"{", b"["])
def test_a_record_without_an_end_does_not_fill_the_memory(source: Source, filler: bytes, tmp_path: Path) -> None:
    path = source.path(tmp_path)
    path.write_bytes(filler * (1 << 10))
    os.truncate(path, 96 << 20)
    reader = source.opened(tmp_path)
    tracemalloc.start()
    try:
        read_all(reader, budget=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    check_shape(reader)


@every_reader
@pytest.mark.parametrize("what", ["folder", "FIFO"])
def test_what_is_no_file_is_neither_read_nor_waited_for(source: Source, what: str, tmp_path: Path) -> None:
    path = source.path(tmp_path)
    if what == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert dict(fresh(source, tmp_path).columns) == {}


@every_reader
def test_nothing_stays_open_between_polls(source: Source, tmp_path: Path) -> None:
    source.path(tmp_path).write_bytes(source.written(ROWS))
    reader = fresh(source, tmp_path)
    assert reader.columns
    opened = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor of this listing itself
            opened.add(descriptor.readlink())
    assert not [path for path in opened if path.is_relative_to(tmp_path)]


@every_reader
def test_a_reader_that_only_skims_reports_no_more_than_one_that_reads(source: Source, tmp_path: Path) -> None:
    source.path(tmp_path).write_bytes(source.written(ROWS * 500))
    whole, skimmed = fresh(source, tmp_path), source.opened(tmp_path)
    while skimmed.skim():
        pass
    assert set(skimmed.columns) <= set(whole.columns)
    assert skimmed.step <= whole.step
