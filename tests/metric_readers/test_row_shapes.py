"""Rows that are read by their shape give what they give item by item, whatever comes between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers import wandb_rows
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.row_shape import RowShape
from autoloop.metric_readers.wandb_log import WandbLog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metric_readers.builder import frame, item, new_row, number, old_row, part, plain, read, read_all

NUMBERS = st.one_of(st.floats(), st.integers(-(10**40), 10**40), st.sampled_from([0, 1, 0.5]))
WORDS = st.sampled_from([None, True, "NaN", "text", {"c": 1.5}, {"_type": "image-file", "size": 3}, "x" * 200])
SHAPES: list[list[str | tuple[str, ...]]] = [
    ["loss", "grad/norm", "_timestamp", "_runtime"],
    ["loss", "_timestamp"],
    ["eval/é\u0082\x01", ("ot", "a"), "ot.a", "loss"],
    [("img", "size"), "loss"],
]


@st.composite
def rows(draw: st.DrawFn) -> list[bytes]:
    """Many rows of few shapes, now and then one that has another, of any step."""
    records = []
    step = 0
    own_step = draw(st.booleans())
    for _ in range(draw(st.integers(1, 40))):
        step = draw(st.one_of(st.just(step + draw(st.integers(1, 200))), st.integers(0, 300), st.just(step)))
        keys = draw(st.sampled_from(SHAPES))
        values: dict[str | tuple[str, ...], Any] = {key: draw(NUMBERS) for key in keys}
        if draw(st.integers(0, 9)) == 0:
            values[keys[draw(st.integers(0, len(keys) - 1))]] = draw(WORDS)
        if draw(st.integers(0, 9)) == 0:
            others: list[str | tuple[str, ...]] = ["new", "loss", ("img", "_type")]
            values[others[draw(st.integers(0, 2))]] = draw(st.one_of(NUMBERS, WORDS))
        if draw(st.integers(0, 9)) == 0:
            records.append(old_row({str(key): value for key, value in values.items()}, draw(st.sampled_from([step, None]))))
        else:
            records.append(
                new_row({k if isinstance(k, tuple) else (k,): v for k, v in values.items()}, step, own_step=own_step)
            )
    return records


def told(log: WandbLog) -> tuple[object, ...]:
    return plain(log.columns.series), log.rows, log.step, repr(list(log.times)), log.damaged


@settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows(), st.lists(st.integers(1, 3000), max_size=6))
def test_rows_read_by_their_shape_are_the_same_as_item_by_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[bytes], pieces: list[int]
) -> None:
    path = tmp_path / "run-x.wandb"
    data = frame(records)
    path.write_bytes(data)
    with monkeypatch.context() as patched:
        patched.setattr(wandb_rows, "FAMILIAR", 1 << 60)
        one_by_one = told(read(path))
    assert told(read(path)) == one_by_one
    path.unlink()
    log, at = WandbLog(path, Columns()), 0
    for piece in [*pieces, len(data)]:
        with path.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        read_all(log)
    assert told(log) == one_by_one


def test_rows_of_a_few_shapes_are_taken_apart_only_until_those_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_shape = 0
    real = RowShape.read

    def read_by_shape(*row: Any) -> Any:
        nonlocal by_shape
        found = real(*row)
        by_shape += found is not None
        return found

    monkeypatch.setattr(RowShape, "read", read_by_shape)
    path = tmp_path / "run-x.wandb"
    keys = [["loss", "lr"], ["loss", "lr", "eval/loss"], ["lr"]]
    values = [1, 0.5, float("nan"), float("-inf"), 1e-300, 10**30]
    path.write_bytes(
        frame(
            [
                new_row({(key,): values[step % 6] for key in keys[step % 3]}, step, own_step=step < 600)
                for step in range(1200)
            ]
        )
    )
    log = read(path)
    assert log.rows == 1200
    assert [len(log.columns.series[key]) for key in ("loss", "lr", "eval/loss")] == [800, 1200, 400]
    assert log.rows - by_shape < 60


@pytest.mark.parametrize(
    "row",
    [
        part(2, item(("loss",), "1.5") + item(("lr",), "1,2")),
        part(2, item(("loss",), "1.5") + item(("lr",), "1e")),
        part(2, item(("loss",), "1.5") + item(("lr",), "")),
        part(2, item(("loss",), "1.5") + item(("lr",), "2") + b"\x12\x05\x08\x07"),
        part(2, item(("loss",), "1.5") + item(("lr",), "2") + item(("other",), "3")),
        part(2, item(("loss",), "1.5") + item(("lr",), "2") + part(2, number(1, 7)) + b"\x18\x01"),
        part(2, item(("loss",), "1.5") + item(("lr",), "2") + part(3, "more")),
        part(2, item(("loss",), "1.5") + item(("lr",), "2") + part(2, b"")),
        part(2, item(("loss",), json.dumps("1.5")) + item(("lr",), "2")),
    ],
)
def test_a_row_that_only_resembles_a_known_shape_is_read_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: bytes
) -> None:
    path = tmp_path / "run-x.wandb"
    known = [new_row({("loss",): 1.0, ("lr",): 2.0}, step, own_step=False) for step in range(1, 9)]
    path.write_bytes(frame([*known, row, *known[:2]]))
    by_shape = told(read(path))
    monkeypatch.setattr(RowShape, "read", lambda *_: None)
    assert told(read(path)) == by_shape
