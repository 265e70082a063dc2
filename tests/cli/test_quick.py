"""Command lines that `quick.py` handles mean the same to the parser."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloop_tui.cli import catalogue, parser, quick

WORDS = ["--json", "--all", "--loop", "--note", "--help", "-h", "--loop=2", "--", "-", "", "1", "3@1a", "two"]
"""Besides the flags of the shapes: words that must be left to the parser, and words that can follow a flag as its value."""


def bound_by_the_parser(line: list[str]) -> tuple[Any, dict[str, Any]]:
    function, bound, _ = parser.app.parse_args(line, exit_on_error=False, print_error=False)
    return function, dict(bound.arguments)


def bound_quickly(line: list[str]) -> tuple[Any, dict[str, Any]] | None:
    called = quick.call(line)
    if called is None:
        return None
    assert isinstance(called, partial)
    words = {"numbers": called.args[0]} if called.args else {}
    return called.func, words | called.keywords


@pytest.mark.parametrize("command", quick.SHAPES)
def test_a_line_means_what_it_means_to_the_parser(command: str) -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(st.lists(st.sampled_from(WORDS), max_size=5))
    def compare(words: list[str]) -> None:
        line = [command, *words]
        quickly = bound_quickly(line)
        assert quickly is None or quickly == bound_by_the_parser(line)

    compare()


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "status --json",
        "status --all",
        "runs --json --loop 2",
        "proposals",
        "approve 1 3",
        "approve --all --note a",
    ],
)
def test_the_common_lines_need_no_parser(line: str) -> None:
    assert bound_quickly(line.split()) == bound_by_the_parser(line.split())


@pytest.mark.parametrize("line", ["", "runs --round 2", "status --help", "status extra", "approve 1 --loop", "logs"])
def test_other_lines_are_left_to_it(line: str) -> None:
    assert quick.call(line.split()) is None


def test_every_quick_command_is_one_of_the_catalogue() -> None:
    assert set(quick.SHAPES) <= set(catalogue.COMMANDS)
