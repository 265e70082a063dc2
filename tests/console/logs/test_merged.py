"""Several logs merged in order of time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoloop_tui.console.logs import merged
from autoloop_tui.console.logs.merged import MergedLog, told_time
from autoloop_tui.console.logs.search import Matches, Search, parse_query


def write(path: Path, *lines: str) -> Path:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def everything(log: MergedLog) -> list[str]:
    return [f"{log.source(n)} {line}" for n, line in enumerate(log.lines(0, log.count))]


def test_lines_stand_in_the_order_of_their_own_times(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a", "starting", "2026-11-27 03:00:01 one", "  a line of its own", "2026-11-27 03:00:05,250 two"
    )
    second = write(tmp_path / "b", "[2026-11-27T03:00:02] three", "2026-11-27 03:00:05.1 four")
    log = MergedLog([(first, ()), (second, ())])
    assert log.poll()
    assert everything(log) == [
        "0 starting",
        "0 2026-11-27 03:00:01 one",
        "0   a line of its own",
        "1 [2026-11-27T03:00:02] three",
        "1 2026-11-27 03:00:05.1 four",
        "0 2026-11-27 03:00:05,250 two",
    ]
    assert not log.poll()
    write(second, "2026-11-27 03:00:07 six")
    write(first, "2026-11-27 03:00:06 five", "2026-11-27 03:00:08 seven")
    assert log.poll()
    assert [line[-5:].split()[-1] for line in everything(log)[6:]] == ["five", "six", "seven"]
    assert log.line(7) == "2026-11-27 03:00:07 six"
    log.close()


def test_logs_that_tell_no_times_stand_by_when_they_were_changed_and_then_as_they_come(tmp_path: Path) -> None:
    newer, older = write(tmp_path / "a", "newer"), write(tmp_path / "b", "older")
    os.utime(older, (1_000_000_000, 1_000_000_000))
    log = MergedLog([(newer, ()), (older, ())])
    log.poll()
    assert everything(log) == ["1 older", "0 newer"]
    for path, line in ((older, "later"), (newer, "last")):
        write(path, line)
        log.poll()
    assert everything(log)[2:] == ["1 later", "0 last"]
    log.close()


def test_a_time_without_a_date_is_of_the_last_such_time_of_day() -> None:
    about = told_time("2026-11-27 00:00:30", 0.0)
    assert about is not None
    assert told_time("00:00:20 step", about) == about - 10
    assert told_time("23:59:50 step", about) == about - 40
    assert told_time("step 1 of 2", about) is None
    assert told_time("29:00:00", about) is None


def test_it_is_searched_and_filtered_like_one_log(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, *(f"03:00:{n:02} line {n} of {name}" for n in range(60))) for name in "abc"]
    log = MergedLog([(path, ()) for path in paths])
    log.poll()
    query = parse_query("of b")
    found = Matches(log, query)
    while not found.done:
        found.advance()
    assert [log.line(number).split()[0] for number in found.numbers] == [f"03:00:{n:02}" for n in range(60)]
    search = Search(log, (query,), log.count - 1, backward=True)
    assert search.step(10)
    assert log.line(search.found or 0) == "03:00:59 line 59 of b"
    log.close()


def test_of_a_long_log_the_newest_lines_are_taken_and_the_oldest_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merged, "FIRST_LINES", 20)
    monkeypatch.setattr(merged, "MOST", 50)
    path = write(tmp_path / "a", *(f"line {n}" for n in range(100)))
    log = MergedLog([(path, ())])
    log.poll()
    assert everything(log)[0] == "0 line 80"
    write(path, *(f"line {n}" for n in range(100, 135)))
    log.poll()
    assert log.count == 30
    assert log.generation == 1
    assert log.line(29) == "line 134"
    path.write_text("anew\n")
    log.poll()
    log.poll()
    assert everything(log) == ["0 anew"]
    log.close()
