"""The output of `--help`, and the answer to an unknown command."""

from __future__ import annotations

import shlex
import sys

import pytest

from autoloop_tui.cli import catalogue, parser
from tests.cli.conftest import Call


def test_the_help_describes_every_command_in_one_line_and_in_groups(call: Call) -> None:
    said = call("--help")
    assert said.code == 0
    lines = [line.strip("│ ") for line in said.out.splitlines()]
    places = [next(i for i, line in enumerate(lines) if line.startswith(f"╭─ {title} ")) for title in catalogue.GROUPS]
    assert places == sorted(places)
    for name, command in catalogue.COMMANDS.items():
        assert any(line.split() == [name, *command.line.split()] for line in lines), name


@pytest.mark.parametrize("name", catalogue.COMMANDS)
def test_a_command_s_help_says_what_it_does_and_gives_two_calls_that_are_understood(name: str, call: Call) -> None:
    said = call(name, "--help")
    assert said.code == 0
    for words in catalogue.COMMANDS[name].examples:
        assert f"  autoloop-tui {words}" in said.out, "it fits 80 columns"
        parser.app.parse_args(shlex.split(words), exit_on_error=False, print_error=False)
        assert shlex.split(words)[0] == name
    usage, _, rest = said.out.partition("\n\n")
    assert usage.startswith(f"Usage: autoloop-tui {name}")
    assert len(rest.partition("╭")[0].strip()) > 20


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("analyze_offline", "analyze-offline"),
        ("analyze_offline.py", "analyze-offline"),
        ("utils/auto_loop/autorun.py", "run"),
        ("utils.auto_loop.analyze_wandb", "analyze-wandb"),
        ("fetch_wandb_config", "fetch-config"),
        ("fetch_wandb_config.py", "fetch-config"),
        ("generate_and_run", "generate"),
        ("iterate_until_200k", "run --rounds 8 --decide --until worth-200k"),
        ("aprove", "approve"),
        ("Status", "status"),
        ("generate_and_runs", "generate"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--steps", "5"], ["x", "y"]], ids=["alone", "flags", "words"])
def test_a_slip_and_a_script_s_name_are_answered_with_a_command_that_exists(
    word: str, meant: str, more: list[str], call: Call
) -> None:
    said = call(word, *more)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"autoloop-tui: There is no command {word}; did you mean `autoloop-tui {meant}`?\n"
    parser.app.parse_args(shlex.split(meant), exit_on_error=False, print_error=False)


def test_what_resembles_no_command_is_answered_with_the_list(call: Call) -> None:
    assert "`autoloop-tui --help` lists them" in call("zzzz").err


def test_every_command_of_the_catalogue_is_a_function() -> None:
    for name in catalogue.COMMANDS:
        module, _, function = catalogue.function(name).partition(":")
        __import__(module)
        assert callable(getattr(sys.modules[module], function))


def test_paragraphs_fill_the_line(call: Call) -> None:
    """No line of the source's width is followed by a remainder of a few words; without a terminal a line has 80 cells."""
    lines = [line.rstrip() for line in call("init", "--help").out.split("Recognises")[1].split("Arguments")[0].splitlines()]
    paragraph = lines[: lines.index("")]
    first_words = [line.split()[0] for line in paragraph[1:]]
    assert len(paragraph) >= 3
    for line, word in zip(paragraph[1:-1], first_words[1:], strict=True):
        assert len(line) + 1 + len(word) > 79
    grid = call("run", "--help").out.split("--grid")[1].split("--seeds")[0]
    assert "With --propose, the search" in " ".join(grid.replace("│", " ").split())
