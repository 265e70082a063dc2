"""A log stays below its limit: its head and newest part are kept, a line counts the missing bytes, and readers continue."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from autoloop.logs import read_log_tail
from autoloop.metric_readers import follow
from autoloop.runners import local
from autoloop.runners.bounded_log import HEAD, LENGTH, SMALLEST, BoundedLog, left_out, moved
from autoloop.trainers import load_preset

from autoloop_tui.cli.output.log_copy import copy_log
from autoloop_tui.console.logs.search import Search, parse_query
from autoloop_tui.console.logs.tail import LogFile, last_line
from tests.runners.attempts import UNTIL_GO, Bench
from tests.support.waiting import PATIENCE, eventually

LEROBOT = load_preset("lerobot").console


class Writer:
    """A command that writes to its log as commands do: at the end, whatever happens to the middle meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.bound = BoundedLog(self.fd, SMALLEST)
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += os.write(self.fd, data)

    def fill(self, size: int, line: bytes = b"x" * 99 + b"\n") -> None:
        self.write(line * (size // len(line)))

    def missing(self) -> int:
        fd = os.open(self.path, os.O_RDONLY)
        try:
            return left_out(fd)
        finally:
            os.close(fd)

    def size(self) -> int:
        return os.stat(self.path).st_size


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "log.txt")


def test_a_log_below_its_limit_is_left_alone(writer: Writer) -> None:
    writer.fill(SMALLEST)
    before = writer.path.read_bytes()
    assert writer.bound.fit() == len(before)
    assert writer.path.read_bytes() == before


def test_head_and_newest_part_are_kept_and_the_line_between_counts_the_rest(writer: Writer) -> None:
    data = b"".join(b"line %d\n" % number for number in range(700_000))
    writer.write(data)
    writer.bound.fit()
    kept = writer.path.read_bytes()
    assert len(kept) <= SMALLEST
    head, told, newest = kept[:HEAD], kept[HEAD : HEAD + LENGTH], kept[HEAD + LENGTH :]
    assert data.startswith(head)
    assert data.endswith(newest)
    assert newest.startswith(b"line ")
    assert len(newest) > SMALLEST // 4
    assert str(len(data) - len(head) - len(newest)).encode() in told
    assert told.startswith(b"\n")
    assert told.endswith(b"\n")


def test_after_many_cuts_every_byte_is_kept_or_counted(writer: Writer) -> None:
    for _ in range(12):
        writer.fill(2 << 20)
        writer.bound.fit()
        assert writer.size() <= SMALLEST
        assert writer.size() - LENGTH + writer.missing() == writer.written or not writer.missing()
    assert writer.missing() > 15 << 20


def test_what_is_written_while_it_is_cut_is_kept(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.fill(6 << 20)
    real, late = os.pwrite, iter([b"came meanwhile\n"])

    def pwrite(fd: int, data: bytes, at: int) -> int:
        for line in late:
            writer.write(line)
        return real(fd, data, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    writer.bound.fit()
    assert writer.path.read_bytes().endswith(b"\ncame meanwhile\n")
    assert writer.size() - LENGTH + writer.missing() == writer.written


def test_a_log_without_a_single_line_end_is_cut_all_the_same(writer: Writer) -> None:
    writer.fill(9 << 20, b"\0")
    assert writer.bound.fit() <= SMALLEST
    assert writer.size() - LENGTH + writer.missing() == writer.written


def test_a_line_that_only_looks_like_ours_says_nothing(writer: Writer, tmp_path: Path) -> None:
    writer.fill(9 << 20)
    writer.bound.fit()
    ours = writer.path.read_bytes()[HEAD : HEAD + LENGTH]
    path = tmp_path / "log"
    for text in (b"\n[autoloop: many" + b" " * LENGTH, b"", ours[:-1] + b"x"):
        path.write_bytes(b"h" * HEAD + text)
        with path.open("rb") as file:
            assert left_out(file.fileno()) == 0
    path.write_bytes(b"h" * HEAD + ours)
    with path.open("rb") as file:
        assert left_out(file.fileno()) == writer.missing() > 0


def test_a_place_in_the_log_is_found_again_after_cuts() -> None:
    assert moved(5, 0, 10**6) == 5
    assert moved(HEAD + 10**6 + 7, 0, 10**6) == HEAD + LENGTH + 7
    assert moved(HEAD + LENGTH + 500, 1000, 1300) == HEAD + LENGTH + 200
    assert moved(HEAD + LENGTH + 500, 1000, 9000) == HEAD + LENGTH  # the position itself was cut out
    assert moved(HEAD + LENGTH + 500, 1000, 1000) == HEAD + LENGTH + 500


LONG = b"-" * 0xFFFF + b"\n"
"""A line that a follower processes quickly: it searches for numbers only at the beginning of a line."""


def metric(step: int) -> bytes:
    return b"INFO step:%d loss:%d\n" % (step, step)


def test_the_metrics_that_a_follower_has_read_survive_the_cut_and_it_reads_on_behind_it(writer: Writer) -> None:
    follower = follow(writer.path.parent / "out", run_id="r", log=writer.path, patterns=LEROBOT)
    expected = []
    for step in range(1, 8):
        writer.write(metric(step))
        writer.fill(1 << 20, LONG)
        expected.append(step)
        while follower.poll():
            pass
        writer.bound.fit()
    while follower.poll():
        pass
    assert writer.missing()
    assert list(follower.columns["train/loss"].steps) == expected
    assert follower.problems == []


def test_a_follower_that_lags_behind_goes_on_with_what_is_left(writer: Writer) -> None:
    follower = follow(writer.path.parent / "out", run_id="r", log=writer.path, patterns=LEROBOT)
    writer.write(metric(1))
    writer.fill(2 << 20, LONG)
    follower.poll(64 << 10)
    writer.write(metric(2))
    writer.fill(5 << 20, LONG)
    writer.write(metric(3))
    writer.bound.fit()
    while follower.poll():
        pass
    assert list(follower.columns["train/loss"].steps) == [1, 3]


def test_the_console_s_tail_and_search_work_on_a_log_that_was_cut_and_is_as_long_as_before(writer: Writer) -> None:
    log = LogFile(writer.path)
    writer.write(b"ERROR the first\n")
    writer.fill(4 << 20)
    while log.poll():
        pass
    generation, size = log.generation, log.size
    writer.fill(1 << 20)
    writer.write(b"ERROR the last\n")
    writer.bound.fit()
    writer.fill(size - writer.size() + 5000)
    while log.poll():
        pass
    assert log.generation == generation + 1
    lines = writer.path.read_bytes().split(b"\n")[:-1]
    assert log.count == len(lines)
    for number in (0, 1, 10_000, log.count - 1):
        assert log.line(number) == lines[number].decode()
    search = Search(log, (parse_query("ERROR the last"),), 0)
    while not search.step():
        pass
    assert search.found is not None
    assert log.line(search.found) == "ERROR the last"
    search = Search(log, (parse_query("were left out here"),), 0)
    while not search.step():
        pass
    assert search.found is not None
    log.close()


def test_the_diagnosis_and_a_card_see_head_and_end_of_a_cut_log(writer: Writer) -> None:
    writer.write(b"the first line\n")
    writer.fill(20 << 20)
    writer.write(b"RuntimeError: at last\n")
    writer.bound.fit()
    lines = read_log_tail(writer.path)
    assert lines[0] == "the first line"
    assert "RuntimeError: at last" in lines
    assert last_line(writer.path) == "RuntimeError: at last"


def test_a_log_whose_name_is_gone_is_bounded_too(writer: Writer) -> None:
    writer.path.unlink()
    writer.fill(9 << 20)
    writer.bound.fit()
    assert os.fstat(writer.fd).st_size <= SMALLEST


def test_where_the_disk_refuses_the_log_stays_and_nothing_is_raised(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error")

    writer.fill(9 << 20)
    before = writer.path.read_bytes()
    monkeypatch.setattr(os, "pwrite", broken)
    writer.bound.fit()
    assert writer.path.read_bytes() == before


# ------------------------------------------------------------------------------------------- beside a real command


FLOOD = "echo the first; yes 'a line of a flood that never ends' | head -c {}; echo; echo the last"


def test_a_supervisor_bounds_the_log_of_a_flood_and_keeps_its_ends(bench: Bench) -> None:
    attempt = bench.shell(FLOOD.format(100_000_000), max_log=8 << 20)
    assert attempt.wait().code == 0
    log = attempt.directory / "log.txt"
    assert log.stat().st_size <= 8 << 20
    lines = log.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("the first", "the last")
    with log.open("rb") as file:
        written = len(b"the first\n\nthe last\n") + 100_000_000
        assert left_out(file.fileno()) + log.stat().st_size - LENGTH == pytest.approx(written, abs=1 << 20)


def test_a_flood_is_bounded_while_it_runs_and_stopped_by_the_ladder(bench: Bench) -> None:
    attempt = bench.shell(
        "trap '' INT; echo ready > $READY; exec yes", stop=(("INT", 0.1), ("TERM", PATIENCE)), max_log=4 << 20
    )
    bench.meet()
    log = attempt.directory / "log.txt"

    def was_cut() -> bool:
        with log.open("rb") as file:
            return left_out(file.fileno()) > 50 << 20

    eventually(was_cut)
    local.request_stop(attempt.handle)
    assert attempt.wait().signal == signal.SIGTERM
    assert log.stat().st_size <= 4 << 20


def test_a_flood_into_a_deleted_directory_does_not_keep_the_supervisor(bench: Bench) -> None:
    attempt = bench.shell(f"{UNTIL_GO}; yes | head -c 30000000", max_log=4 << 20)
    bench.meet()
    shutil.rmtree(attempt.directory)
    bench.go()
    eventually(lambda: local.open_pidfd(attempt.handle) is None)


def test_readers_at_work_while_a_log_is_flooded_and_cut_meet_no_error(bench: Bench) -> None:
    attempt = bench.shell(FLOOD.format(60_000_000), max_log=4 << 20)
    log, shown = attempt.directory / "log.txt", LogFile(attempt.directory / "log.txt")
    follower = follow(attempt.directory / "out", run_id="r", log=log, patterns=LEROBOT)
    ended = threading.Event()

    def await_end() -> None:
        attempt.wait()
        ended.set()

    threading.Thread(target=await_end).start()
    while not ended.is_set():
        follower.poll(64 << 10)
        shown.poll(1 << 20)
        shown.lines(max(0, shown.count - 40), shown.count)
        read_log_tail(log)
    while shown.poll():
        pass
    assert shown.line(shown.count - 1) == "the last"
    shown.close()


def test_logs_f_goes_on_behind_a_cut(writer: Writer, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer.fill(5 << 20)
    place = copy_log(writer.path, 0, 0, True, [])
    assert place == (writer.size(), 0)
    writer.bound.fit()
    writer.write(b"behind the cut\n")
    capfdbinary.readouterr()
    place = copy_log(writer.path, *place, True, [])
    assert place == (writer.size(), writer.missing())
    assert capfdbinary.readouterr().out == b"behind the cut\n"
