"""Parse a training command: what precedes its program, the program, and its arguments."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from autoloop.adoption.known import Launcher, Wrapper, is_program, known, plain, wraps
from autoloop.adoption.shell_line import read_line
from autoloop.model import UserError

_PYTHON = re.compile(r"python(\d+(\.\d+)?)?")
_PYTHON_TAKES = ("-X", "-W")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """`start`: the command up to and including the program, as a preset writes it. `direct`: this without the launcher."""

    typed: str
    env: dict[str, str]
    start: list[str]
    direct: list[str]
    program: str
    """The script, or a program that is not a Python file; empty for a module."""
    module: str = ""
    arguments: list[str]
    python: str = ""
    """The interpreter as typed (`python3`, a path); `python` if the program needs none, for use by dump and doctor."""
    launcher: str = ""
    processes: int | None = None
    """The number of processes passed to the launcher."""
    left_out: list[str] = []

    @property
    def script(self) -> str:
        """The Python training script, relative to the folder; empty if unknown."""
        return self.program if self.program.endswith(".py") else ""


def read_command(typed: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Command:
    """Parse a command. UserError if it is not a training command, or its script does not exist in `cwd`."""
    line = read_line(typed, environment)
    wrapper, words = _unwrapped(line.words)
    start, python = list(wrapper), "python"
    if not words:
        raise UserError(f"The command ends after {shlex.join(wrapper)}: give the full training command.")
    launcher = _launcher(words)
    called: list[str] = [] if launcher is None else [*(launcher.words if wrapper else launcher.command)]
    processes = None
    if launcher is None and _PYTHON.fullmatch(os.path.basename(words[0])):
        python = words[0]
        start.append("{python}" if not wrapper else words[0])
        options, words = _python_options(words[1:])
        start += options
        if words[:1] == ["-m"] and (found := _launcher_module(words)):
            called, launcher, words = [*start[len(wrapper) :], *words[:2]], found, [*found.words, *words[2:]]
            start = list(wrapper)
    if launcher is not None:
        told, words, processes = _launched(launcher, words[len(launcher.words) :])
        _check_files(told, cwd)
        start += [*called, *told]
    command = Command(
        typed=shlex.join(line.words),
        env=line.env,
        start=start,
        direct=start if launcher is None else [*wrapper, "python" if wrapper else "{python}"],
        program="",
        arguments=[],
        python=python,
        launcher=launcher.name if launcher else "",
        processes=processes,
        left_out=line.left_out,
    )
    if words[:1] in (["-m"], ["--module"]) and len(words) > 1:
        direct = [*command.direct, *words[:2]]
        return replace(command, start=[*start, *words[:2]], direct=direct, module=words[1], arguments=words[2:])
    if not words or words[0].startswith("-"):
        raise UserError(f"The command names no script after {shlex.join(line.words[:2])}: give the full training command.")
    program = words[0]
    if program.endswith(".py") and not (cwd / program).is_file():
        raise UserError(f"The script {program} does not exist in {cwd}: run this from your training folder.")
    return replace(command, start=[*start, program], direct=[*command.direct, program], program=program, arguments=words[1:])


def _unwrapped(words: list[str]) -> tuple[list[str], list[str]]:
    """Split a command into its wrapper (`uv run`), empty if none, and the rest."""
    if wrapper := wraps([os.path.basename(words[0]), *words[1:]]):
        end = _options_end(words, len(wrapper.words), wrapper)
        return words[:end], words[end:]
    if _PYTHON.fullmatch(os.path.basename(words[0])) or _launcher(words) or words[0].endswith(".py") or is_program(words[0]):
        return [], words
    # Another wrapper (xvfb-run, numactl): everything before the interpreter or the launcher.
    for place, word in enumerate(words[1:], 1):
        if _PYTHON.fullmatch(os.path.basename(word)) or _launcher(words[place:]):
            return words[:place], words[place:]
    return [], words


def _options_end(words: list[str], place: int, wrapper: Wrapper) -> int:
    while place < len(words) and words[place].startswith("-") and words[place] not in ("-m", "--module"):
        if words[place] == "--":
            return place + 1
        place += 2 if words[place] in wrapper.takes else 1
    return place


def _launcher(words: Sequence[str]) -> Launcher | None:
    first = os.path.basename(words[0]) if words else ""
    named = (first, *words[1:])
    return next((each for each in known().launcher if named[: len(each.words)] == each.words), None)


def _launcher_module(words: Sequence[str]) -> Launcher | None:
    return next((each for each in known().launcher if len(words) > 1 and words[1] in each.modules), None)


def _python_options(words: list[str]) -> tuple[list[str], list[str]]:
    options: list[str] = []
    while words and words[0].startswith("-") and words[0] != "-m":
        if words[0] == "-c":
            raise UserError("`python -c` has no script that a run can start: put the code into a file.")
        width = 2 if words[0] in _PYTHON_TAKES else 1
        options, words = options + words[:width], words[width:]
    return options, words


def _launched(launcher: Launcher, words: list[str]) -> tuple[list[str], list[str], int | None]:
    """The launcher's options as a preset writes them, the words from the program on, and the number of processes."""
    switches = {plain(each) for each in launcher.switches}
    processes = {plain(each) for each in launcher.processes}
    options: list[str] = []
    count: int | None = None
    place = 0
    while place < len(words):
        word = words[place]
        if word in ("-m", "--module") or not word.startswith("-"):
            break
        key, equals, value = word.partition("=")
        takes = not equals and plain(key) not in switches and place + 1 < len(words)
        value = words[place + 1] if takes else value
        if plain(key) in processes and value:
            count = int(value) if value.isdigit() else count
            options += [f"{key}={{processes}}"] if equals else [key, "{processes}"]
        else:
            options += [word, value] if takes else [word]
        place += 2 if takes else 1
    given = {plain(word.partition("=")[0]) for word in options if word.startswith("-")}
    if not any(key.startswith(each) for key in given for each in launcher.unless):
        options = [*launcher.adds, *options]
    if place == len(words):
        raise UserError(f"The command names no script after {launcher.name}: give the full training command.")
    return options, words[place:], count


def _check_files(words: list[str], cwd: Path) -> None:
    """UserError if the launcher's config file does not exist."""
    for flag, value in itertools.pairwise(" ".join(words).replace("=", " ").split()):
        if plain(flag) == "config_file" and not (cwd / os.path.expanduser(value)).is_file():
            raise UserError(f"The file {value}, which {flag} names, does not exist in {cwd}.")
