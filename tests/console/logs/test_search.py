from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import UserError

from autoloop_tui.console.logs import search
from autoloop_tui.console.logs.search import ERRORS, Matches, Query, Search, parse_query
from autoloop_tui.console.logs.tail import LogFile


@pytest.fixture
def log_of(tmp_path: Path) -> Iterator[Any]:
    logs: list[LogFile] = []

    def make(text: str) -> LogFile:
        path = tmp_path / f"log{len(logs)}"
        path.write_text(text)
        logs.append(LogFile(path))
        logs[-1].poll()
        return logs[-1]

    yield make
    for log in logs:
        log.close()


def find(log: LogFile, text: str | tuple[Query, ...], start: int = 0, **options: Any) -> Any:
    look = Search(log, (parse_query(text),) if isinstance(text, str) else text, start, **options)
    while not look.step(0):
        pass
    return look


def test_case_counts_only_if_a_capital_is_written() -> None:
    assert parse_query("cuda").matches("CUDA error")
    assert not parse_query("Cuda").matches("CUDA error")


def test_text_is_sought_as_it_stands_and_a_pattern_between_slashes() -> None:
    assert parse_query("loss[0]").matches("x loss[0] y")
    assert parse_query("/loss:(nan|inf)/").spans("a loss:nan b") == [(2, 10)]


def test_a_bad_pattern_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match="not a regular expression"):
        parse_query("/(/")


def test_search_goes_down_and_round(log_of: Any) -> None:
    log = log_of("a\nhit\nb\nhit\nc\n")
    assert find(log, "hit").found == 1
    assert find(log, "hit", 2).found == 3
    look = find(log, "hit", 4)
    assert (look.found, look.wrapped) == (1, True)


def test_search_goes_up_and_round(log_of: Any) -> None:
    log = log_of("a\nhit\nb\nhit\nc\n")
    assert find(log, "hit", 4, backward=True).found == 3
    assert find(log, "hit", 2, backward=True).found == 1
    look = find(log, "hit", 0, backward=True)
    assert (look.found, look.wrapped) == (3, True)


def test_search_ends_where_there_is_nothing(log_of: Any) -> None:
    assert find(log_of("a\nb\n"), "hit").found is None
    assert find(log_of(""), "hit").found is None


def test_a_search_works_in_short_steps(log_of: Any) -> None:
    log = log_of("some line of a log\n" * 100_000 + "needle\n")
    look = Search(log, (parse_query("needle"),), 0)
    steps = 1
    while not look.step(0):
        steps += 1
    assert look.found == 100_000
    assert steps > 20


def test_a_search_ends_when_the_file_is_replaced(log_of: Any) -> None:
    log = log_of("a line\n" * 50_000)
    look = Search(log, (parse_query("needle"),), 0)
    look.step(0)
    log.path.write_text("needle\n")
    log.poll()
    assert look.step(0)
    assert look.found is None


def test_the_line_that_is_still_growing_is_searched(log_of: Any) -> None:
    assert find(log_of("a\nRuntimeError: no newline"), "runtime").found == 1


TRACEBACK = """step 1
INFO the Error rate is fine
Traceback (most recent call last):
  File "train.py", line 3, in <module>
[rank0]: torch.OutOfMemoryError: CUDA out of memory
wandb: run ended
Traceback (most recent call last):
  File "launch.py", line 9, in <module>
subprocess.CalledProcessError: Command 'python train.py' returned non-zero exit status 1.
"""


def test_the_error_is_the_cause_and_not_the_launchers_complaint(log_of: Any) -> None:
    log = log_of(TRACEBACK)
    assert log.line(find(log, ERRORS, log.count - 1, backward=True).found).startswith("[rank0]: torch.OutOfMemory")


def test_a_traceback_counts_where_no_error_is_named(log_of: Any) -> None:
    log = log_of("a\nTraceback (most recent call last):\n  x\nMyProblem: odd\n")
    assert find(log, ERRORS, log.count - 1, backward=True).found == 1


@pytest.mark.parametrize(
    "line",
    ["RuntimeError: x", "KeyboardInterrupt", "Segmentation fault", "x ERROR no data", "Killed", "a.BError: y"],
)
def test_these_lines_are_errors(line: Any, log_of: Any) -> None:
    assert find(log_of(f"fine\n{line}\nfine\n"), ERRORS, 2, backward=True).found == 1


@pytest.mark.parametrize("line", ["no errors found", "loss: 0.1 l1_error: 0.2", "An Error is likely", "killed 0 jobs"])
def test_these_lines_are_not_errors(line: Any, log_of: Any) -> None:
    assert find(log_of(f"fine\n{line}\nfine\n"), ERRORS, 2, backward=True).found is None


def test_a_filter_keeps_matching_lines_as_they_come(log_of: Any) -> None:
    log = log_of("a\nhit 1\nb\nhit 2 grow")
    matches = Matches(log, parse_query("hit"))
    while not matches.done:
        matches.advance(0)
    assert list(matches.numbers) == [1, 3]
    with log.path.open("a") as file:
        file.write("ing\nc\nhit 3\nhit 4")
    log.poll()
    matches.advance()
    assert [log.line(n) for n in matches.numbers] == ["hit 1", "hit 2 growing", "hit 3", "hit 4"]


def test_a_growing_line_that_no_longer_matches_is_dropped(log_of: Any) -> None:
    log = log_of("a\n10%")
    matches = Matches(log, parse_query("10%"))
    matches.advance()
    assert list(matches.numbers) == [1]
    with log.path.open("a") as file:
        file.write("\r20%")
    log.poll()
    matches.advance()
    assert list(matches.numbers) == []


def test_a_filter_begins_again_with_a_replaced_file(log_of: Any) -> None:
    log = log_of("hit\n" * 5)
    matches = Matches(log, parse_query("hit"))
    matches.advance()
    log.path.write_text("x\nhit\n")
    log.poll()
    matches.advance()
    assert list(matches.numbers) == [1]


def test_of_too_many_matches_the_oldest_are_left_out_and_counted(log_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MATCH_LIMIT", 100)
    log = log_of("hit\n" * 150)
    matches = Matches(log, parse_query("hit"))
    matches.advance()
    assert (matches.left_out, len(matches.numbers), matches.numbers[-1]) == (50, 100, 149)


def test_search_under_a_filter_passes_over_hidden_lines(log_of: Any) -> None:
    log = log_of("loss nan\nINFO loss 1\nWARN loss nan\n")
    assert find(log, "nan", 0, only=parse_query("warn")).found == 2


@pytest.mark.parametrize("text", ["/(a+)+$/", "/(a|a)*b/", "/^(\\d+,?)+x/", "/(.*)*!/"])
def test_a_pattern_that_backtracks_cannot_hold_the_console(text: str) -> None:
    query = parse_query(text)
    for line in ("a" * 5000 + "!", "1" * 5000, "1," * 5000):
        query.matches(line)
        query.spans(line)


def test_what_cannot_be_matched_in_bounded_time_is_refused_in_a_sentence() -> None:
    for text in ("/(?=a)b/", r"/(a)\1/"):
        with pytest.raises(UserError, match=r"not a regular expression: .*look-around.*plain text"):
            parse_query(text)
