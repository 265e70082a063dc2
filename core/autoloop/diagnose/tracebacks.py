"""Extract the exceptions from a log, printed by Python, rich, loguru or Ray, and by any number of processes.

A log of several processes is first split by writer: the text before `Traceback` on its line (`[rank1]: `, `(pid=7) `, a
time) is the prefix of one writer, and the lines that begin with it are its log. This needs no list of launchers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

WRITERS = 64
"""Maximum number of prefixes that are told apart, because each costs a pass over the lines."""
AHEAD = 12
"""Maximum number of lines of other writers within a traceback."""
MESSAGE_LINES = 15
FAR_MESSAGE = 80
"""Number of lines searched for the message of an exception printed without one: Paddle prints C++ frames first."""


@dataclass(frozen=True)
class Chain:
    """Chained exceptions, first raised first.

    Each is `Type: message` on one line, followed by the other lines of its message. `at`: the index of the log line with the
    last one. `writer`: the prefix of the process that printed them, empty if there is none.
    """

    raised: tuple[str, ...]
    at: int
    writer: str = ""

    @property
    def rank(self) -> int | None:
        """The rank named by its prefix; None if there is none."""
        found = _RANK.search(self.writer)
        return int(found[found.lastindex or 0]) if found else None


_RANK = re.compile(r"(?i)(?:rank|default|trainer)\W?(\d+)|^\W*(\d+)\W*$|^\W*\d+,(\d+)\W")
_TRACEBACK = "Traceback (most recent call last)"
_HEADER = re.compile(
    r"^(?P<before>.*?)(?P<kind>Original |Exception Group )?(?:[╭┌+][─━-]+ )?Traceback \(most recent call last\)"
)
_LINKS = ("The above exception was the direct cause", "During handling of the above exception")
_INSIDE = re.compile(r"^-- Process \d+ terminated with the following error")
_BAR = "%|"
"""Marks a line of tqdm, which may appear in the middle of a traceback."""
_FRAME = re.compile(r'^>?\s*File "([^"]+)", line \d+')
_FRAME_STARTS = (" ", ">", "│", "|", "╭", "╰", "└", "┌", "+")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.<>]*(\(\w+\))?(: .*|:)?$")
_LEVELS = re.compile(r"^\W*(WARNING|WARN|INFO|ERROR|DEBUG|CRITICAL|wandb|srun|slurmstepd)\b")
_ELSEWHERE = re.compile(
    r"^(\"{3}|'{3}|\[|[WEIF]\d{4} |\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d|=====|-----"
    r"|Exception (ignored in|in thread)|terminate called|ray::)"
)
"""Beginnings of lines that do not belong to an exception's message."""
_TIME = re.compile(r"(?:\d{2,4}[-/]\d\d[-/]\d\d[T ])?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?")
_WANDB = re.compile(r"/wandb(_[a-z]+)?/|/(threading|atexit|concurrent/futures/\w+|asyncio/\w+|multiprocessing/\w+)\.py$")
"""wandb's own files, and those of Python that run its threads and exit hooks."""


def chains(lines: Sequence[str]) -> list[Chain]:
    """Every chain of exceptions in the log except a launcher's own, in the order of their last lines.

    Chains raised by wandb alone, which raises them while a failed run exits, are omitted if the trainer raised any.
    """
    found = [chain for writer, numbered in _writers(lines) for chain in _chains(writer, numbered)]
    return sorted(found, key=lambda chain: chain.at)


def _header(line: str) -> re.Match[str] | None:
    return _HEADER.match(line) if _TRACEBACK in line else None


def is_launcher(line: str) -> bool:
    """Whether this is the final error of accelerate or torchrun itself: it has the whole command, but not the reason."""
    return bool(re.search(r"CalledProcessError: Command .*(returned non-zero|died with)|ChildFailedError", line))


# ------------------------------------------------------------------------------------------------------------ writers


def _writers(lines: Sequence[str]) -> list[tuple[str, list[tuple[int, str]]]]:
    """The log by writer: the prefix, and its lines without the prefix, each with its index in the whole log."""
    patterns: dict[str, re.Pattern[str]] = {}
    for index, line in enumerate(lines):
        header = _header(line)
        if header is None or not header["before"].strip() or header["before"] in patterns or len(patterns) == WRITERS:
            continue
        # Times differ between lines; everything else must be the same.
        parts = _TIME.split(header["before"].rstrip())
        pattern = re.compile(r"[\d:.,/\-T ]+".join(map(re.escape, parts)))
        bodies = (each[found.end() :] for each in lines[index + 1 : index + AHEAD] if (found := pattern.match(each)))
        if any(_FRAME.match(body.strip()) or body.strip().startswith("│") for body in bodies):
            patterns[header["before"]] = pattern
    if not patterns:
        return [("", list(enumerate(lines)))]
    written: dict[str, list[tuple[int, str]]] = {"": [], **{before: [] for before in patterns}}
    for index, line in enumerate(lines):
        for before, pattern in patterns.items():
            if found := pattern.match(line):
                space = before[len(before.rstrip()) :]
                written[before].append((index, line[found.end() :].removeprefix(space)))
                break
        else:
            written[""].append((index, line))
    return list(written.items())


def _chains(writer: str, numbered: Sequence[tuple[int, str]]) -> list[Chain]:
    found: list[tuple[Chain, bool]] = []
    open_ = False
    for link, exception, at, by_wandb in _tracebacks([line for _, line in numbered]):
        if is_launcher(exception):
            open_ = False
            continue
        place = numbered[at][0]
        if link and open_:
            chain, theirs = found.pop()
            raised = (*chain.raised, exception) if link == "then" else (exception, *chain.raised)
            found.append((Chain(raised, place, writer), theirs and by_wandb))
        else:
            found.append((Chain((exception,), place, writer), by_wandb))
        open_ = True
    trainers = [chain for chain, theirs in found if not theirs]
    return trainers or [chain for chain, _ in found]


# ---------------------------------------------------------------------------------------------------------- one writer


def _tracebacks(lines: Sequence[str]) -> Iterator[tuple[Literal["", "then", "inside"], str, int, bool]]:
    """For each traceback: its link to the previous one ("": none, "then": raised after it, "inside": its cause, printed
    inside it), its exception, the index of that line, and whether all its frames are wandb's."""
    linked = inside = False
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        linked = linked or line.strip().startswith(_LINKS)
        inside = inside or bool(_INSIDE.match(line.strip()))
        header = _header(line)
        if header is None:
            continue
        link: Literal["", "then", "inside"] = "then" if linked else ""
        if inside or header["kind"] == "Original ":
            link = "inside"
        linked = inside = False
        indent = line[: len(line) - len(line.lstrip(" "))]
        while True:
            begin = index
            index = _end_of_frames(lines, index, indent)
            if index == len(lines):
                return
            if _header(lines[index]):
                break
            at, by_wandb = index, _by_wandb(lines[begin:index])
            exception, index = _message(lines, index, indent)
            yield link, exception, at, by_wandb
            # Ray prints the remote traceback after its own exception, without a header.
            if not (index < len(lines) and _FRAME.match(lines[index].strip())):
                break
            link = "inside"


def _end_of_frames(lines: Sequence[str], index: int, indent: str) -> int:
    """The index of the exception that follows the frames from `index` on, or of the next header; the end if there is
    neither."""
    strange = 0
    while index < len(lines):
        line = lines[index].removeprefix(indent)
        if _header(lines[index]):
            return index
        if not line or line.startswith(_FRAME_STARTS) or _BAR in line:
            strange = 0
        elif _EXCEPTION.match(line) and not _LEVELS.match(line):
            return index
        elif (strange := strange + 1) > AHEAD:
            return len(lines)
        index += 1
    return index


def _message(lines: Sequence[str], index: int, indent: str) -> tuple[str, int]:
    """The exception at `index` with its whole message, and the index after it. Indented lines continue the first line."""
    text = lines[index].removeprefix(indent)
    index += 1
    while index < len(lines) and lines[index].startswith("    ") and not _ends(lines[index]):
        text += " " + lines[index].strip()
        index += 1
    more: list[str] = []
    ahead = index
    while ahead < len(lines) and len(more) < MESSAGE_LINES:
        line = lines[ahead].removeprefix(indent)
        if not line.strip() or _ends(line) or _LEVELS.match(line) or _ELSEWHERE.match(line):
            break
        more.append(line.strip())
        ahead += 1
    if text.endswith(":") and not more:  # the message is in later paragraphs
        more = _paragraphs(lines[index : index + FAR_MESSAGE])[-MESSAGE_LINES:]
    if text.endswith(":") and more:  # the message began with a newline
        text += " " + more.pop(0)
    return "\n".join([text, *more]), ahead if ahead > index else index


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """The lines with text, until another traceback or another writer begins."""
    found: list[str] = []
    for line in lines:
        if _header(line) or line.strip().startswith(_LINKS) or _LEVELS.match(line):
            break
        if any(map(str.isalnum, line)):
            found.append(line.strip())
    return found


def _ends(line: str) -> bool:
    return bool(_header(line) or _FRAME.match(line.strip()) or line.strip().startswith(_LINKS) or _BAR in line)


def _by_wandb(frames: Sequence[str]) -> bool:
    files = [found[1] for frame in frames if (found := _FRAME.match(frame.strip()))]
    return any("/wandb" in file for file in files) and all(_WANDB.search(file) for file in files)
