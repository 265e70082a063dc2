"""The compiled readers and the Python readers give the same results for any bytes."""

from __future__ import annotations

import json
import random
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers import native, wandb_summary
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.compiled_rows import CompiledRows
from autoloop.metric_readers.wandb_log import WandbLog
from autoloop.metric_readers.wandb_summary import WandbSummary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metric_readers.builder import config, exit_record, frame, item, new_row, number, part, plain, read, read_all
from tests.metric_readers.test_wandb_messages import ITEMS, RECORDS
from tests.metric_readers.test_wandb_property import mutated

pytestmark = pytest.mark.skipif(native.compiled is None, reason="There was no C compiler when this checkout was installed.")
SLOWLY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def summary(values: dict[str, Any], step: int | None = None) -> bytes:
    items = [item((key,), json.dumps(value)) for key, value in values.items()]
    return part(3, b"".join([*items, *([item(("_step",), str(step))] if step is not None else [])]))


OTHERS = st.sampled_from(
    [
        [summary({"loss": 0.25, "only": 1.5}, 3)],
        [summary({"best": 2.0})],
        [summary({"_wandb": {"runtime": 3}})],
        [part(3, b"")],
        [part(6, b"files")],
        [part(7, b"stats"), b""],
        [part(5, part(1, part(1, "lr") + part(16, "0.5")))],
        [number(1, 1 << 40)],
        [exit_record(1)],
    ]
)


def told(log: WandbLog) -> tuple[object, ...]:
    rows = log._rows  # noqa: SLF001 the number that wandb would go on with
    return (
        list(log.columns.series),
        plain(log.columns.series),
        sorted(log.columns.rewritten),
        log.columns.overflow,
        (log.rows, log.step, repr(list(log.times)), rows._row_step),  # noqa: SLF001
        repr(log.summary),
        (log.summary_step, log.config, log.exit_code),
        log.problems,
    )


def grown(data: bytes, pieces: list[int], path: Path) -> tuple[object, ...]:
    """Return everything read from a file that grows by these pieces."""
    path.unlink(missing_ok=True)
    log, at = WandbLog(path, Columns()), 0
    for piece in [*pieces, len(data)]:
        with path.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        read_all(log, budget=1)
    return told(log)


def check(data: bytes, path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[int] | None = None) -> None:
    found = grown(data, pieces or [], path)
    with monkeypatch.context() as patch:
        patch.setattr(native, "compiled", None)
        assert grown(data, pieces or [], path) == found


@SLOWLY
@given(st.lists(st.one_of(RECORDS, OTHERS), max_size=6), st.lists(st.integers(1, 400), max_size=6))
def test_whatever_records_are_is_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[list[bytes]], pieces: list[int]
) -> None:
    data = frame([record for several in records for record in several])
    check(data, tmp_path / "run-x.wandb", monkeypatch, pieces)


REMOVED = st.sampled_from(["loss", "lr"]).map(lambda key: item(key, "", field=2))
SUMMARIES = st.lists(st.one_of(ITEMS, ITEMS, REMOVED, st.just(item(("_step",), "3"))), max_size=6).map(b"".join)
NUMBERS = st.sampled_from([b"", number(1, 3), number(1, 1 << 40), b"\x08"])


@SLOWLY
@given(st.lists(st.tuples(NUMBERS, SUMMARIES), min_size=1, max_size=4))
def test_whatever_a_summary_is_is_read_alike_at_once_and_field_by_field(
    monkeypatch: pytest.MonkeyPatch, summaries: list[tuple[bytes, bytes]]
) -> None:
    def read_all() -> tuple[object, ...]:
        read = WandbSummary()
        whole = [read.take(begin + part(3, items)) for begin, items in summaries]
        return repr(read.values), read.step, whole

    found = read_all()
    with monkeypatch.context() as patch:
        patch.setattr(native, "compiled", None)
        assert read_all() == found
        patch.setattr(wandb_summary, "split", lambda records: None)
        assert read_all() == found


def usual(rng: random.Random) -> list[bytes]:
    records = [part(17, part(4, config({"steps": 30}))), new_row({("loss",): 1.0, ("ot", "a"): 1, ("lr",): 1e-5}, 1)]
    step = 1
    for _ in range(12):
        step += rng.choice((1, 1, 1, 3, 0, -2))
        values: dict[Any, Any] = {("loss",): rng.random(), ("ot", "a"): rng.randrange(99), ("lr",): rng.random() * 1e-9}
        if rng.random() < 0.2:
            key = rng.choice((("new",), ("loss",), ("ot", "_type"), ("ot.a",)))
            values[key] = rng.choice((2, "NaN", {"c": 1}, "\\u", None))
        records.append(summary({"loss": 1, "x": rng.random()}, step))
        records.append(new_row(values, max(step, 0), own_step=rng.random() < 0.7))
    return [*records, exit_record(0)]


@pytest.mark.parametrize("files", [300, pytest.param(20_000, marks=pytest.mark.faults)])
def test_damaged_files_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    """Half of the files have damaged bytes, which checksums reveal; the others have damaged records with valid checksums."""
    rng = random.Random(15)
    path = tmp_path / "run-x.wandb"
    for index in range(files):
        records = usual(rng)
        if index % 2:
            data = mutated(frame(records), rng)
        else:
            data = frame([mutated(record, rng) if rng.random() < 0.3 else record for record in records])
        check(data, path, monkeypatch, [rng.randrange(1, 900) for _ in range(rng.randrange(3))])


def test_chunks_that_are_cut_anywhere_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows at the end of a block that leave room for nothing, for part of a chunk's header, or for more."""
    first = [new_row({("loss",): 1.0, ("pad",): "x"}, 1)]
    for size in range(32_660, 32_720):
        rows = [*first, new_row({("loss",): 2.0, ("pad",): "x" * size}, 2), new_row({("loss",): 3.0}, 3)]
        data = frame(rows)
        check(data, tmp_path / "run-x.wandb", monkeypatch, [len(data) - size % 37])


def values_read(texts: list[str], path: Path) -> bytes:
    rows = [part(2, item(("v",), text) + part(2, number(1, index))) for index, text in enumerate(["1", *texts])]
    path.write_bytes(frame(rows))
    return read(path).columns.series["v"].values.tobytes()


@pytest.mark.parametrize("many", [4_000, pytest.param(100_000, marks=pytest.mark.faults)])
def test_every_number_is_the_nearest_there_is(tmp_path: Path, many: int) -> None:
    rng = random.Random(15)
    floats = [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(many)] + [rng.random() for _ in range(many)]
    texts = [repr(value) for value in floats if value == value and abs(value) != float("inf")]
    texts += [f"{value:.{rng.randrange(25)}e}" for value in floats[:many] if value == value and abs(value) != float("inf")]
    for _ in range(3 * many):
        digits = str(rng.randrange(10 ** rng.randrange(1, 22)))
        at = rng.randrange(len(digits))
        text = f"{digits[:at]}.{digits[at:]}" if at else digits
        whole, _, rest = text.partition(".")
        text = (whole.lstrip("0") or "0") + (f".{rest}" if rest else "")
        exponent = rng.choice(("", "", f"e{rng.randrange(-45, 45)}", f"E+{rng.randrange(9)}"))
        texts.append(rng.choice(("", "-")) + text + exponent)
    # Halfway between two doubles, and one unit in the last digit away from it.
    for _ in range(many):
        halfway = (1 << 53 | rng.getrandbits(53)) * 2 + 1 << rng.randrange(9)
        texts += [str(halfway), str(halfway + rng.choice((-1, 1))), f"{halfway}e-{rng.randrange(28)}"]
    texts += ["0", "-0", "-0.0", "0e5", "1e999", "-1e999", "1e-400", "5e-324", "9" * 120, "0." + "0" * 60 + "1"]
    assert values_read(texts, tmp_path / "run-x.wandb")[8:] == struct.pack(f"<{len(texts)}d", *map(float, texts))


def test_it_is_not_led_beyond_what_it_is_given() -> None:
    assert native.compiled is not None
    data = frame([new_row({("loss",): 1.0}, 1)])
    sizes = [-1 << 62, -1, 0, 6, 7, 8, len(data) - 1, len(data), len(data) + 1, 32768, 1 << 40, sys.maxsize]
    for position in sizes:
        for block_end in sizes:
            records: list[bytes] = []
            native.compiled.whole_records(data, position, block_end, records)
            assert len(records) <= 1
    table = native.compiled.Rows()
    table.learn(b"\x12\x04loss", 3)
    for bad in ((["text"], 0, 0, 0, bytes(32)), ([b""], -1, 0, 0, bytes(32)), ([b""], 0, 0, 0, bytes(31))):
        with pytest.raises((TypeError, ValueError)):
            table.take(*bad)
    with pytest.raises(ValueError, match="no such column"):
        table.learn(b"x", 1 << 40)


@pytest.mark.parametrize(
    "text", ['"NaN"', '"NaN" ', '"NaN"\n', '"Infinity"', '"-Infinity"\t', '"x"', '"x" ', "NaN", "-Infinity"]
)
def test_numbers_in_quotation_marks_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    quoted, plain_one = item(("a",), text), item(("a",), "1")
    known = new_row({("a",): 1.0, ("b",): {"c": 1}}, 1)
    rows = [b"".join([quoted, plain_one]), b"".join([plain_one, quoted]), b"".join([quoted, item(("b",), '{"d": 2}')])]
    for row in rows:
        for before in ([known], [known, new_row({("a",): {"c": 1}, ("b",): 2.0}, 1)], [part(2, item(("a",), "{}"))]):
            check(frame([*before, part(2, row + part(2, number(1, 2)))]), tmp_path / "run-x.wandb", monkeypatch)


def test_rows_that_python_has_to_take_are_left_to_it_many_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    take = CompiledRows.take_records

    def counted(self: CompiledRows, records: list[bytes], start: int) -> tuple[int, bytes | None]:
        calls.append(start)
        return take(self, records, start)

    monkeypatch.setattr(CompiledRows, "take_records", counted)
    wide = new_row({(f"k{index}",): 1.5 for index in range(500)}, 1)
    for rows in (
        [new_row({(f"k{index}",): 1.5}, index + 1) for index in range(1000)],
        [wide, *(new_row({("k0",): index}, 1) for index in range(1000))],
        [wide, *(new_row({("k" * 200,): index, ("h",): {"a": 1}}, index + 2) for index in range(1000))],
    ):
        calls.clear()
        check(frame([*rows, new_row({("k0",): 2, ("k" * 200,): 3}, 2000)]), tmp_path / "run-x.wandb", monkeypatch)
        assert 1 < len(calls) < 30


def test_what_was_built_from_another_source_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_SOURCE", tmp_path / "_native.c")
    assert native._built() is native.compiled  # noqa: SLF001 as in a wheel, which has no source
    (tmp_path / "_native.c").write_text("int changed;")
    assert native._built() is None  # noqa: SLF001
