"""For any bytes in any pieces: a prefix gives a prefix, and nothing raises, hangs or fills the memory."""

from __future__ import annotations

import math
import random
import tracemalloc
from pathlib import Path

import pytest
from autoloop.metric_readers import record_log
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.wandb_log import WandbLog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metric_readers.builder import (
    HEADER,
    chunk,
    config,
    exit_record,
    frame,
    is_prefix,
    new_row,
    old_row,
    part,
    plain,
    read,
    read_all,
)

pytestmark = pytest.mark.usefixtures("both_ways")

KEYS = st.sampled_from(["train/loss", "eval/l1", "a.b", "ot", "é\u0082\x01", "k" * 140])
PLAIN = st.one_of(
    st.floats(),
    st.integers(-(10**25), 10**25),
    st.booleans(),
    st.none(),
    st.sampled_from(["text", "NaN", "\x82\x01", "x" * 5000]),
    st.lists(st.integers(), max_size=3),
)
VALUES = st.one_of(PLAIN, st.dictionaries(st.sampled_from("abc"), st.one_of(PLAIN, st.just({"deep": 1.5})), max_size=3))
ROWS = st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=30)
PIECES = st.lists(st.one_of(st.integers(1, 40), st.integers(1, 70_000)), min_size=1, max_size=25)
SLOWLY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def layouts(rows: list[dict[str, object]], layout: str) -> list[bytes]:
    records = [part(17, part(4, config({"steps": 30})))]
    for step, row in enumerate(rows):
        if layout == "0.12":
            records.append(old_row(row, step * 3))
        elif layout == "no step":
            records.append(old_row(row, None))
        else:
            records.append(new_row({(key,): value for key, value in row.items()}, step * 3, own_step=layout == "0.31"))
        records.append(part(3, b"summary" * 30))
    return [*records, exit_record(0)]


def check_growth(data: bytes, pieces: list[int], path: Path) -> None:
    """Read `data` as it grows. Each state must equal a fresh read, which must be a prefix of the whole."""
    path.write_bytes(data)
    whole = read(path)
    path.unlink()
    log = WandbLog(path, Columns())
    at = 0
    for piece in [*pieces, len(data)]:
        with path.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        read_all(log, budget=1)
        fresh = read(path)
        assert plain(log.columns.series) == plain(fresh.columns.series)
        assert is_prefix(log.columns.series, whole.columns.series)
        assert (log.rows, log.exit_code, log.config, log.damaged) == (
            fresh.rows,
            fresh.exit_code,
            fresh.config,
            fresh.damaged,
        )
    assert plain(log.columns.series) == plain(whole.columns.series)
    path.unlink()


@SLOWLY
@given(ROWS, st.sampled_from(["0.31", "record step", "0.12", "no step"]), PIECES, st.integers(0, 9))
def test_a_prefix_grown_in_any_pieces_reads_as_a_prefix_of_the_whole(
    tmp_path: Path, rows: list[dict[str, object]], layout: str, pieces: list[int], seed: int
) -> None:
    data = bytearray(frame(layouts(rows, layout)))
    if seed > 5:
        rng = random.Random(seed)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    check_growth(bytes(data), pieces, tmp_path / "run-x.wandb")


@settings(SLOWLY, max_examples=15)
@given(PIECES, st.booleans())
def test_a_real_file_grown_in_any_pieces_reads_as_a_prefix_of_the_whole(
    finished_file: Path, tmp_path: Path, pieces: list[int], damage: bool
) -> None:
    data = bytearray(finished_file.read_bytes())
    if damage:
        data[sum(pieces) % len(data)] ^= 0x55
    check_growth(bytes(data), pieces, tmp_path / "run-x.wandb")


@SLOWLY
@given(ROWS, st.sampled_from(["0.31", "record step", "0.12", "no step"]))
def test_every_number_of_every_layout_comes_out_at_its_step(
    tmp_path: Path, rows: list[dict[str, object]], layout: str
) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(frame(layouts(rows, layout)))
    expected: dict[str, list[tuple[int, str]]] = {}
    for index, row in enumerate(rows):
        step = index if layout == "no step" else index * 3
        flat: dict[str, float] = {}

        def collect(key: str, value: object, flat: dict[str, float] = flat) -> None:
            if isinstance(value, dict):
                for name, inner in value.items():
                    collect(f"{key}.{name}", inner)
            elif value == "NaN":
                flat[key] = math.nan
            elif isinstance(value, int | float) and not isinstance(value, bool):
                flat[key] = float(value)

        for key, value in row.items():
            collect(key, value)
        for key, value in flat.items():
            expected.setdefault(key, []).append((step, repr(value)))
    found = read(path).columns.series
    assert {key: [(step, repr(value)) for step, value in series] for key, series in found.items()} == expected


def mutated(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(out) + 1)
        what = rng.randrange(6)
        if what == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del out[at : at + rng.randrange(1, 300)]
        elif what == 2:
            out[at:at] = rng.randbytes(rng.randrange(1, 50))
        elif what == 3:
            out[at : at + 9] = rng.choice((b"\0", b"\xff")) * 9
        elif what == 4:
            out[at:at] = out[: rng.randrange(len(out) + 1)][-600:]
        else:
            del out[at + rng.randrange(3000) :]
    return bytes(out)


@pytest.mark.parametrize("files", [1_500, pytest.param(10_000, marks=pytest.mark.faults)])
def test_mutated_files_neither_raise_nor_hang(tmp_path: Path, files: int) -> None:
    """Half of the files have damaged bytes, which checksums reveal; the others have damaged records with valid checksums."""
    rng = random.Random(20260101)
    path = tmp_path / "run-x.wandb"
    rows: list[dict[str, object]] = [{"loss": 1 / (i + 1), "ot": {"a": i}, "n": math.nan} for i in range(12)]
    records = [record for layout in ("0.31", "0.12", "no step") for record in layouts(rows, layout)]
    whole = frame(records) + chunk(2, records[1][:20]) + chunk(3, records[1][20:30]) + chunk(4, records[1][30:])
    seen = damaged = 0
    for index in range(files):
        if index % 2:
            path.write_bytes(mutated(whole, rng))
        else:
            some = rng.sample(records, 6)
            path.write_bytes(frame([mutated(record, rng) if rng.random() < 0.7 else record for record in some]))
        log = read_all(WandbLog(path, Columns()), most=20)
        seen += log.rows
        damaged += log.damaged
        assert all(len(series.steps) == len(series.values) for series in log.columns.series.values())
        assert all(isinstance(problem, str) for problem in log.problems)
    assert seen > 2 * files
    assert damaged > files / 2


@pytest.mark.parametrize("size", [0, 1, 6, 7, 13, 40_000])
def test_a_file_that_is_no_wandb_log_is_read_as_empty(tmp_path: Path, size: int) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(random.Random(size).randbytes(size))
    log = read(path)
    assert (log.rows, log.columns.series) == (0, {})
    assert any("does not begin" in problem for problem in log.problems) == (size >= 7)


def test_a_flipped_byte_costs_the_rest_of_its_block_and_is_counted_once(tmp_path: Path) -> None:
    rows = [new_row({("loss",): step, ("pad",): "x" * 400}, step) for step in range(300)]
    data = bytearray(frame(rows))
    data[2 * record_log.BLOCK + 9000] ^= 1
    path = tmp_path / "run-x.wandb"
    path.write_bytes(data)
    log = read(path)
    steps = list(log.columns.series["loss"].steps)
    gap = [step for step in range(300) if step not in steps]
    assert steps[-1] == 299
    assert gap == list(range(gap[0], gap[-1] + 1))
    assert 20 < len(gap) < 75
    assert log.damaged == 1
    assert "1 places could not be read" in log.problems[0]


def test_damage_within_a_long_record_costs_that_record_only(tmp_path: Path) -> None:
    rows = [new_row({("loss",): step, ("pad",): "x" * (100_000 if step == 2 else 10)}, step) for step in range(6)]
    data = bytearray(frame(rows))
    data[record_log.BLOCK + 500] ^= 1
    path = tmp_path / "run-x.wandb"
    path.write_bytes(data)
    log = read(path)
    assert list(log.columns.series["loss"].steps) == [0, 1, 3, 4, 5]
    assert log.damaged == 1


@pytest.mark.parametrize("names", [("_type", "size"), ("size", "_type")])
def test_the_size_of_an_image_is_no_metric_in_whatever_order_its_members_come(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    values = {"_type": "image-file", "size": 123}
    row: dict[str | tuple[str, ...], object] = {("img", name): values[name] for name in names}
    path = tmp_path / "run-x.wandb"
    path.write_bytes(frame([new_row(row | {("ot", "size"): 4.0}, step) for step in range(3)]))
    assert list(read(path).columns.series) == ["ot.size"]


def test_a_bad_chunk_at_the_growing_end_waits_and_may_still_come_right(tmp_path: Path) -> None:
    data = frame([new_row({("loss",): step}, step) for step in range(20)])
    path = tmp_path / "run-x.wandb"
    path.write_bytes(data[:300] + bytes(40))  # a network file system may show the new size before the bytes
    log = read(path)
    rows = log.rows
    path.write_bytes(data)
    read_all(log)
    assert rows < 20
    assert log.rows == 20
    assert log.damaged == 0


def test_a_record_that_never_ends_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_log, "MAX_RECORD", 1 << 20)
    path = tmp_path / "run-x.wandb"
    with path.open("wb") as file:
        file.write(HEADER + chunk(2, bytes(record_log.BLOCK - 14)))
        for _ in range(400):
            file.write(chunk(3, bytes(record_log.BLOCK - 7)))
        file.write(chunk(4, b"") + chunk(1, new_row({("loss",): 1.0}, 5)))
    tracemalloc.start()
    try:
        log = read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20
    assert log.damaged == 1
    assert log.step == 5


def test_a_claimed_length_is_never_allocated(tmp_path: Path) -> None:
    huge = b"\x12" + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
    item_huge = part(2, b"\x0a\xff\xff\xff\xff\x0f" + b"abc")
    path = tmp_path / "run-x.wandb"
    beyond = part(5, part(1, part(1, "lr") + b"\x82\x01\x051"))  # its value extends into the next record
    path.write_bytes(frame([huge, item_huge, beyond, *(new_row({("loss",): 1.0}, step) for step in range(4))]))
    log = read(path)
    assert log.damaged == 3
    assert log.config == {}
    assert log.step == 3


def test_more_names_than_a_run_can_have_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    rows = [new_row({(f"k{i}",): i for i in range(start, start + 1000)}, start + 1) for start in range(0, 12_000, 1000)]
    path.write_bytes(frame(rows))
    log = read(path)
    assert len(log.columns.series) == 10_000
    assert log.columns.overflow


def test_a_poll_does_no_more_than_its_budget(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(frame([new_row({("loss",): step, ("pad",): "x" * 400}, step) for step in range(2000)]))
    log = WandbLog(path, Columns())
    assert log.poll(100_000)
    assert 100 < log.rows < 225
    assert read_all(log, 100_000).rows == 2000


@pytest.mark.parametrize("replace", ["shorter", "other file"])
def test_a_file_that_shrinks_or_is_replaced_is_read_again_and_that_is_said(tmp_path: Path, replace: str) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(frame([new_row({("loss",): 1.0, ("old",): 2.0}, step) for step in range(50)]))
    log = read(path)
    new = frame([new_row({("loss",): 7.0}, step) for step in range(20 if replace == "shorter" else 90)])
    if replace == "shorter":
        path.write_bytes(new)
    else:
        other = tmp_path / "other"
        other.write_bytes(new)
        other.replace(path)
    assert log.poll()
    read_all(log)
    assert list(log.columns.series) == ["loss"]
    assert set(log.columns.series["loss"].values) == {7.0}
    assert "replaced or cut short" in log.problems[0]


def test_old_layouts_give_nested_dicts_negative_exit_codes_and_removed_config(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    update = part(5, item_of(1, "lr", "0.5") + item_of(1, "gone", "1") + item_of(2, "gone", ""))
    row = old_row({"ot": {"a": 1, "b": {"c": 2.5}}, "img": {"_type": "image-file", "size": 3}}, 4)
    path.write_bytes(frame([update, row, exit_record(-15)]))
    log = read(path)
    found = {key: list(series) for key, series in log.columns.series.items()}
    assert found == {"ot.a": [(4, 1.0)], "ot.b.c": [(4, 2.5)]}
    assert log.exit_code == -15
    assert log.config == {"lr": 0.5}


def item_of(field: int, key: str, text: str) -> bytes:
    return part(field, part(1, key) + part(16, text))


def test_unreadable_things_are_named_and_not_raised(tmp_path: Path) -> None:
    (tmp_path / "run-x.wandb").mkdir()
    log = read(tmp_path / "run-x.wandb")
    assert log.problems == [f"{tmp_path / 'run-x.wandb'} is not a regular file"]
