"""Parsing many rows at once with protobuf gives the same result as parsing field by field, for any bytes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from autoloop.metric_readers import wandb_messages, wandb_rows
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.wandb_log import WandbLog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.metric_readers.builder import frame, item, new_row, number, old_row, part, plain, read, read_all, varint

pytestmark = pytest.mark.usefixtures("by_python")

KEYS = st.sampled_from(
    ["loss", "lr", "_step", "_timestamp", "_runtime", "a.b", "é\u0082\x01", "\n\x12", "", "k" * 140, "ot", "_type"]
)
TEXTS = st.one_of(
    st.floats().map(str),
    st.floats().map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1e999", "1_0", " 1\n", "1,2", "", "[1", "2]", "-0", "01", "1.", ".5"]),
    st.sampled_from(['"NaN"', '"t"', "true", "null", '{"a": 1, "b": {"c": 2}}', '{"_type": "image"}', "[1, 2]", "x" * 300]),
    st.just("\x82\x01\x01" + "1"),
)
"""Including values that no writer would write."""
FIELDS = st.one_of(
    st.tuples(st.just(1), KEYS).map(lambda field: part(*field)),
    st.tuples(st.just(2), KEYS).map(lambda field: part(*field)),
    st.tuples(st.just(16), TEXTS).map(lambda field: part(*field)),
    st.tuples(st.sampled_from([1, 2, 3, 16]), st.integers(0, 300)).map(lambda field: number(*field)),
    st.just(b"\x92\x00\x011"),  # field 2, its number in more bytes than necessary
    st.just(b"\x1b\x1c"),  # a group
    st.just(b"\x19" + bytes(8)),
)
USUAL = st.tuples(st.lists(KEYS, min_size=1, max_size=2), TEXTS).map(lambda field: item(tuple(field[0]), field[1]))
ITEMS = st.one_of(
    USUAL,
    USUAL,
    st.tuples(KEYS, TEXTS).map(lambda field: item(*field)),
    st.lists(FIELDS, max_size=4).map(lambda fields: part(1, b"".join(fields))),
)
STEPS = st.one_of(
    st.integers(-5, 1 << 62).map(lambda step: part(2, number(1, step))),
    st.integers(0, 20).map(lambda step: item(("_step",), str(step))),
    st.sampled_from([b"", part(2, b""), part(2, b"\x08"), part(2, number(1, 5) * 2), part(2, number(2, 5)), number(2, 1)]),
    st.just(b"\x1b\x1c"),
)
ANY_ROW = st.tuples(st.lists(ITEMS, max_size=4), STEPS).map(lambda parts: part(2, b"".join(parts[0]) + parts[1]))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
USUAL_ROWS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=12).map(
    lambda values: [new_row({("loss",): loss, ("lr",): lr}, step) for step, (loss, lr) in enumerate(values)]
)
RECORDS = st.lists(
    st.one_of(
        USUAL_ROWS,
        ANY_ROW.map(lambda row: [row]),
        ANY_ROW.map(lambda row: [row + b"\x98\x01\x01"]),
        ANY_ROW.map(lambda row: [row + row]),
        st.integers(0, 40).map(lambda step: [new_row({("loss",): 1.0, ("ot", "a"): 2.0}, step)]),
        st.integers(0, 40).map(lambda step: [old_row({"loss": 1.0, "ot": {"a": 2.0}}, step)]),
        st.binary(max_size=12).map(lambda data: [b"\x12" + data]),
    ),
    max_size=8,
).map(lambda several: [record for records in several for record in records])


def told(log: WandbLog) -> tuple[object, ...]:
    series = log.columns.series
    rows = log._rows  # noqa: SLF001 the order in which wandb would go on
    return (list(series), plain(series), log.rows, log.step, repr(list(log.times)), log.damaged, rows._row_step)  # noqa: SLF001


def field_by_field(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    with monkeypatch.context() as patch:
        patch.setattr(wandb_rows, "split", lambda records: None)
        return told(read(path))


@settings(
    derandomize=True,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(RECORDS, st.integers(100, 2000))
@example([part(2, part(1, part(2, "loss") + part(2, "lr")) + part(1, part(16, "1") + part(16, "2")))], 2000)
@example([part(2, part(1, part(16, "1") + part(2, "loss")))], 2000)
@example([part(2, item(("loss",), "1") + b"\x1b\x1c"), new_row({("loss",): 1.0}, 3)], 2000)
def test_whatever_rows_are_is_read_in_batches_as_field_by_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[bytes], batch: int
) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(frame(records))
    with monkeypatch.context() as patch:
        patch.setattr(wandb_rows, "_BATCH", batch)
        assert told(read(path)) == field_by_field(path, monkeypatch)


def test_damaged_records_under_right_checksums_are_read_in_batches_as_field_by_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(15)
    path = tmp_path / "run-x.wandb"
    for _ in range(300):
        records = [new_row({("loss",): 1 / (step + 1), ("ot", "a"): step, ("lr",): 0.5}, step) for step in range(8)]
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(records))
            damaged = bytearray(records[at])
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            records[at] = bytes(damaged)
        path.write_bytes(frame(records))
        assert told(read(path)) == field_by_field(path, monkeypatch)


def test_a_real_file_is_read_in_batches_as_field_by_field(
    finished_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = field_by_field(finished_file, monkeypatch)
    taken: list[int] = []

    def watched(records: Sequence[bytes]) -> wandb_messages.Rows | None:
        rows = wandb_messages.split(records)
        taken.append(len(rows.sizes) if rows else 0)
        return rows

    monkeypatch.setattr(wandb_rows, "split", watched)
    assert told(read(finished_file)) == whole
    assert sum(taken) == 120, "every row that wandb writes is read in batches"
    path, data = tmp_path / "run-x.wandb", finished_file.read_bytes()
    log, at = WandbLog(path, Columns()), 0
    while at < len(data):
        with path.open("ab") as file:
            file.write(data[at : at + 5000])
        at += 5000
        read_all(log)
    assert told(log) == whole


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384])
def test_the_keys_of_a_nested_item_are_found_before_a_value_of_any_length(size: int) -> None:
    record = part(2, item(("ot", "a"), "x" * size) + part(2, number(1, 1 << 40)))
    rows = wandb_messages.split([record])
    assert rows is not None
    assert (rows.flat, rows.sizes, rows.step(0)) == (False, [1], 1 << 40)
    assert rows.heads == [part(2, "ot") + part(2, "a")]
    assert rows.texts == [b"x" * size]


def test_lengths_in_more_bytes_than_they_need_are_no_rows_as_wandb_writes_them() -> None:
    row = item(("loss",), "1")
    assert wandb_messages.split([part(2, row)]) is not None
    assert wandb_messages.split([b"\x12" + bytes([len(row) | 128, 0]) + row]) is None
    assert wandb_messages.split([part(2, row) + varint(19 << 3) + b"\x01"]) is None


READ = """
import sys
from pathlib import Path
from autoloop.metric_readers import native
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.wandb_log import WandbLog
from google.protobuf.internal import api_implementation
native.compiled = None
log = WandbLog(Path(sys.argv[1]), Columns())
while log.poll():
    pass
print(api_implementation.Type())
print(log.rows, log.damaged, {key: list(series) for key, series in log.columns.series.items()})
"""


def test_without_protobufs_c_code_the_same_is_read(finished_file: Path) -> None:
    said = []
    for kind in ("upb", "python"):
        environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": kind}
        words = [sys.executable, "-c", READ, str(finished_file)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        name, _, told_by_it = done.stdout.partition("\n")
        assert name == kind
        said.append(told_by_it)
    assert said[0] == said[1]
