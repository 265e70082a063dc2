"""Rows parsed by one expression give the same result as item by item, whatever comes between them.

A long text in a row, which is not a metric, forces that row to be read item by item.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.wandb_log import WandbLog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metric_readers.builder import frame, item, new_row, number, old_row, part, plain, read, read_all

pytestmark = pytest.mark.usefixtures("both_ways")

NUMBERS = st.one_of(st.floats(), st.integers(-(10**40), 10**40), st.sampled_from([0, 1, 0.5]))
WORDS = st.sampled_from([None, True, "NaN", "text", {"c": 1.5}, {"_type": "image-file", "size": 3}, "x" * 200])
Keys = str | tuple[str, ...]
SHAPES: list[list[Keys]] = [
    ["loss", "grad/norm", "_timestamp", "_runtime"],
    ["loss", "_timestamp"],
    ["eval/é\u0082\x01", ("ot", "a"), "ot.a", "loss"],
    [("img", "size"), "loss"],
]
LONG = "x" * 200


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """Draw many rows of a few shapes, with items in any order and at any step, and occasionally a row of another shape;
    each one both as it is and with a long text."""
    records = []
    step = 0
    own_step = draw(st.booleans())
    for _ in range(draw(st.integers(1, 40))):
        step = draw(st.one_of(st.just(step + draw(st.integers(1, 200))), st.integers(0, 300), st.just(step)))
        keys = draw(st.sampled_from(SHAPES).flatmap(st.permutations))
        values: dict[Keys, Any] = {key: draw(NUMBERS) for key in keys}
        if draw(st.integers(0, 9)) == 0:
            values[keys[draw(st.integers(0, len(keys) - 1))]] = draw(WORDS)
        if draw(st.integers(0, 9)) == 0:
            others: list[Keys] = ["new", "loss", ("img", "_type")]
            values[others[draw(st.integers(0, 2))]] = draw(st.one_of(NUMBERS, WORDS))
        old = draw(st.integers(0, 9)) == 0
        step_said = draw(st.sampled_from([step, None])) if old else step
        records.append((row(values, step_said, old, own_step), row({"text": LONG, **values}, step_said, old, own_step)))
    return records


def row(values: dict[Keys, Any], step: int | None, old: bool, own_step: bool) -> bytes:
    if old or step is None:
        return old_row({str(key): value for key, value in values.items()}, step)
    return new_row({k if isinstance(k, tuple) else (k,): v for k, v in values.items()}, step, own_step=own_step)


def told(log: WandbLog) -> tuple[object, ...]:
    return plain(log.columns.series), log.rows, log.step, repr(list(log.times)), log.damaged


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows(), st.lists(st.integers(1, 3000), max_size=6))
def test_rows_are_the_same_at_once_and_item_by_item(
    tmp_path: Path, records: list[tuple[bytes, bytes]], pieces: list[int]
) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(frame([long for _, long in records]))
    one_by_one = told(read(path))
    data = frame([record for record, _ in records])
    path.write_bytes(data)
    assert told(read(path)) == one_by_one
    path.unlink()
    log, at = WandbLog(path, Columns()), 0
    for piece in [*pieces, len(data)]:
        with path.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        read_all(log)
    assert told(log) == one_by_one


LOSS, LR = item(("loss",), "1.5"), item(("lr",), "2")


@pytest.mark.parametrize(
    ("row", "added"),
    [
        (part(2, LOSS + LR), {"loss": (9, 1.5), "lr": (9, 2.0)}),
        (part(2, LOSS + item(("lr",), "1,2")), {"loss": (9, 1.5)}),
        (part(2, LOSS + item(("lr",), "1e")), {"loss": (9, 1.5)}),
        (part(2, LOSS + item(("lr",), "")), {"loss": (9, 1.5)}),
        (part(2, item(("loss",), '"1.5"') + LR), {"lr": (9, 2.0)}),
        (part(2, item(("loss",), '"NaN"') + LR), {"loss": (9, math.nan), "lr": (9, 2.0)}),
        (part(2, LOSS + LR + item(("other",), "3")), {"loss": (9, 1.5), "lr": (9, 2.0), "other": (9, 3.0)}),
        (part(2, LOSS + LR + part(3, "more")), {"loss": (9, 1.5), "lr": (9, 2.0)}),
        (part(2, LOSS + LR + part(2, number(1, 20)) + b"\x18\x01"), {"loss": (20, 1.5), "lr": (20, 2.0)}),
        (part(2, LOSS + LR + part(2, b"")), {"loss": (0, 1.5), "lr": (0, 2.0)}),
        (part(2, LOSS + LR + b"\x12\x05\x08\x07"), {}),  # shorter than its length field says
    ],
)
def test_a_row_that_resembles_usual_ones_is_read_for_what_it_is(
    tmp_path: Path, row: bytes, added: dict[str, tuple[int, float]]
) -> None:
    path = tmp_path / "run-x.wandb"
    usual = [new_row({("loss",): 1.0, ("lr",): 1.0}, step, own_step=False) for step in range(1, 9)]
    path.write_bytes(frame(usual))
    before = points(path)
    path.write_bytes(frame([*usual, row]))
    assert points(path) - before == {f"{key} {point}" for key, point in added.items()}


def points(path: Path) -> set[str]:
    """Return `key (step, value)` of every point, as text because NaN is not equal to itself."""
    return {f"{key} {point}" for key, series in read(path).columns.series.items() for point in series}
