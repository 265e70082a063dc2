from __future__ import annotations

import itertools
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from autoloop.secrets import MASK
from hypothesis import given
from hypothesis import strategies as st

from autoloop_tui.console.logs import tail
from autoloop_tui.console.logs.logtext import split
from autoloop_tui.console.logs.tail import LastLines, LogFile, last_line
from tests.support.calls import calls_of


@pytest.fixture
def path(tmp_path: Path) -> Any:
    return tmp_path / "log.txt"


def opened(path: Path) -> Any:
    log = LogFile(path)
    log.poll()
    return log


def everything(log: LogFile) -> list[str]:
    return log.lines(0, log.count)


def whole(data: Any) -> Any:
    """Return all lines of a file read at once; an incomplete character at its end is not shown yet."""
    count = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    return [*split(data, final=False), ""][:count]  # a line that consists only of such a character is still empty


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"line\n", b"\r\n", b"x" * 300, b"\n\n\n"]), max_size=25),
    st.integers(1, 64),
)
def test_a_file_read_as_it_grows_equals_the_file_read_whole(tmp_path_factory: Any, pieces: Any, chunk: Any) -> None:
    path = tmp_path_factory.mktemp("grow") / "log"
    with pytest.MonkeyPatch.context() as patch:
        # Use small sizes, so that every line crosses chunks and long lines are common.
        patch.setattr(tail, "CHUNK", chunk)
        patch.setattr(tail, "READ", 3 * chunk)
        path.write_bytes(b"")
        log = opened(path)
        data = b""
        for piece in pieces:
            with path.open("ab") as file:
                file.write(piece)
            data += piece
            log.poll()
            assert everything(log) == whole(data)
        assert [log.line(n) for n in range(log.count)] == whole(data)
        log.close()


def test_a_range_of_lines_is_that_range(path: Path) -> None:
    path.write_text("".join(f"line {n}\n" for n in range(20)) + "partial")
    log = opened(path)
    lines = [*(f"line {n}" for n in range(20)), "partial"]
    for first, length in itertools.product(range(31), repeat=2):
        assert log.lines(first, first + length) == lines[first : first + length]
    log.close()


def test_only_new_bytes_are_read_and_never_more_than_the_budget(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"x" * 99 + b"\n")
    log = opened(path)
    with path.open("ab") as file:
        file.write(b"y" * 500 + b"\n")
    reads = calls_of(monkeypatch, os, "pread")
    log.poll(budget=200)
    assert [(at, n) for _, n, at in reads if at >= 100] == [(100, 200)]
    assert sum(n for _, n, at in reads if at < 100) <= 256
    assert (log.size, log.caught_up, log.count) == (300, False, 2)
    log.poll(budget=10_000)
    assert (log.size, log.caught_up) == (601, True)


def test_a_log_that_is_not_there_yet_is_waited_for(path: Path) -> None:
    log = opened(path)
    assert (log.count, log.problem) == (0, "no log yet")
    path.write_text("here\n")
    assert log.poll()
    assert (everything(log), log.problem) == (["here"], None)


def test_nothing_new_is_no_change(path: Path) -> None:
    path.write_text("one\n")
    log = opened(path)
    assert not log.poll()


def test_a_file_cut_short_begins_again(path: Path) -> None:
    path.write_text("one\ntwo\nthree\n")
    log = opened(path)
    path.write_text("new\n")
    assert log.poll()
    assert (everything(log), log.generation) == (["new"], 1)


def test_a_replaced_file_begins_again(path: Path, tmp_path: Path) -> None:
    path.write_text("one\ntwo\n")
    log = opened(path)
    other = tmp_path / "other"
    other.write_text("longer than before, another file\nwith lines\nand more\n")
    other.rename(path)
    log.poll()
    assert everything(log) == ["longer than before, another file", "with lines", "and more"]
    assert log.generation == 1


def test_a_file_rewritten_longer_in_place_begins_again(path: Path) -> None:
    path.write_text("first run\n")
    log = opened(path)
    path.write_text("second run, already longer\nthan the first\n")
    log.poll()
    assert everything(log) == ["second run, already longer", "than the first"]


def test_a_deleted_file_keeps_what_was_read(path: Path) -> None:
    path.write_text("last words\n")
    log = opened(path)
    path.unlink()
    log.poll()
    assert everything(log) == ["last words"]
    assert "gone" in log.problem


def test_a_file_cut_short_between_polls_raises_nothing(path: Path) -> None:
    path.write_text("".join(f"line {n}\n" for n in range(1000)))
    log = opened(path)
    os.truncate(path, 50)
    assert len(log.lines(0, 1000)) == 1000
    assert log.lines(500, 510) == [""] * 10


def test_something_that_is_no_file_is_refused_in_words(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert opened(tmp_path).problem == opened(tmp_path / "pipe").problem == "not a regular file"


def test_a_line_of_ten_megabytes_costs_two_small_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"before\n" + b"z" * (10 << 20) + b"\nafter\n")
    log = opened(path)
    reads = calls_of(monkeypatch, os, "pread")
    before, long, after = log.lines(0, 3)
    assert (before, after) == ("before", "after")
    assert long.startswith("zzzz")
    assert long.endswith("a line of 10M")
    assert sum(n for _, n, _ in reads) < 1 << 20


def test_the_index_of_a_large_file_is_small(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"some line of a log\n" * 55_000)
    log = LogFile(path)
    tracemalloc.start()
    try:
        while not log.caught_up:
            log.poll()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 20_000
    assert log.count == 64 * 55_000
    assert log.line(64 * 55_000 - 1) == log.line(1_234_567) == "some line of a log"


def test_the_last_lines_are_there_before_the_index_is(path: Path) -> None:
    path.write_text("".join(f"line {n}\n" for n in range(100_000)))
    log = LogFile(path)
    log.poll(budget=1000)
    assert not log.caught_up
    assert log.last_lines(2) == ["line 99998", "line 99999"]


def test_the_last_line_with_something_in_it_is_for_the_card(path: Path, tmp_path: Path) -> None:
    path.write_text("step 1\nstep 2\n\n  \n")
    assert last_line(path) == "step 2"
    path.write_bytes(b"x" * 100_000 + b"\r 50%\r 99%")
    assert last_line(path) == " 99%"
    assert last_line(tmp_path / "none") == ""
    path.write_bytes(b"line\n" * 9000 + b"step 3 " + b"x" * 6000)  # longer than the part that is read first
    assert last_line(path).startswith("step 3 x")


def test_a_key_is_asterisks_wherever_a_log_is_shown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "0123456789abcdef" * 3
    monkeypatch.setenv("WANDB_API_KEY", key)
    path.write_text(f"it is {key}!\n{'x' * tail.LONG_LINE} {key}\n\rlast {key}\n")
    log = opened(path)
    shown = [*everything(log), log.line(0), *log.last_lines(5), last_line(path)]
    log.close()
    assert shown[0] == "it is ***!"
    assert shown[-1] == "last ***"
    assert not any(key in line for line in shown)


def test_the_last_line_of_a_log_is_the_newest_whenever_it_is_asked_for(tmp_path: Path) -> None:
    lines, path = LastLines(), tmp_path / "log.txt"
    assert lines.of(path) == ""
    path.write_text("one\n\n")
    assert lines.of(path) == lines.of(path) == "one"
    with path.open("a") as file:
        file.write("two of my-word\n")
    assert lines.of(path, ["my-word"]) == f"two of {MASK}"
    path.unlink()
    assert lines.of(path) == ""
    path.write_text("three")
    assert lines.of(path) == "three"
