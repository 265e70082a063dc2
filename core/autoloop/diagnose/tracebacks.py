"""The exceptions that a log ends with, whoever printed them: Python, rich, loguru, Ray, and many processes into one log.

A log of several processes is first taken apart: what stands before `Traceback` on its line (`[rank1]: `, `(pid=7) `, a
time) is the prefix of one writer, and the lines that begin with it are its log. No list of launchers is needed for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

WRITERS = 64
"""More prefixes than this are not told apart: every one costs a pass over the lines."""
AHEAD = 12
"""Lines of other writers that may stand within a traceback."""
MESSAGE_LINES = 15
FAR_MESSAGE = 80
"""Lines after an exception without a word, in which its message may stand: Paddle prints C++ frames first."""


@dataclass(frozen=True)
class Chain:
    """Exceptions that hang together, first raised first.

    Each is `Type: message` on one line, and then the further lines of its message. `at`: the line of the log where the
    last one stands. `writer`: the prefix of the process that printed them, empty where there is none.
    """

    raised: tuple[str, ...]
    at: int
    writer: str = ""

    @property
    def rank(self) -> int | None:
        """The number of the rank that its prefix names."""
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
"""Marks a line of tqdm, which may be printed in the middle of a traceback."""
_FRAME = re.compile(r'^>?\s*File "([^"]+)", line \d+')
_FRAME_STARTS = (" ", ">", "│", "|", "╭", "╰", "└", "┌", "+")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.<>]*(\(\w+\))?(: .*|:)?$")
_LEVELS = re.compile(r"^\W*(WARNING|WARN|INFO|ERROR|DEBUG|CRITICAL|wandb|srun|slurmstepd)\b")
_ELSEWHERE = re.compile(
    r"^(\"{3}|'{3}|\[|[WEIF]\d{4} |\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d|=====|-----"
    r"|Exception (ignored in|in thread)|terminate called|ray::)"
)
"""How a line begins that is no part of an exception's message."""
_TIME = re.compile(r"(?:\d{2,4}[-/]\d\d[-/]\d\d[T ])?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?")
_WANDB = re.compile(r"/wandb(_[a-z]+)?/|/(threading|atexit|concurrent/futures/\w+|asyncio/\w+|multiprocessing/\w+)\.py$")
"""wandb's own files, and those of Python that its threads and exit hooks are run by."""


def chains(lines: Sequence[str]) -> list[Chain]:
    """Every chain of exceptions in the log, in the order of their last lines; a launcher's own are left out.

    One that wandb alone raised, as it does on its way out of a run that has failed, is left out beside the trainer's.
    """
    found = [chain for writer, numbered in _writers(lines) for chain in _chains(writer, numbered)]
    return sorted(found, key=lambda chain: chain.at)


def _header(line: str) -> re.Match[str] | None:
    return _HEADER.match(line) if _TRACEBACK in line else None


def is_launcher(line: str) -> bool:
    """accelerate's and torchrun's own last words: they hold the whole command, and never the reason."""
    return bool(re.search(r"CalledProcessError: Command .*(returned non-zero|died with)|ChildFailedError", line))


# ----------------------------------------------------------------------------------------------------- who wrote what


def _writers(lines: Sequence[str]) -> list[tuple[str, list[tuple[int, str]]]]:
    """The log by writer: the prefix, and its lines without it, numbered by where they stand in the whole."""
    patterns: dict[str, re.Pattern[str]] = {}
    for index, line in enumerate(lines):
        header = _header(line)
        if header is None or not header["before"].strip() or header["before"] in patterns or len(patterns) == WRITERS:
            continue
        # Times differ from line to line; all else must be the same.
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
    """Each traceback's exception, how it hangs together with the one before it (not, raised after it, or its cause
    printed inside it), the line it stands on, and whether all its frames are wandb's."""
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
    """Where the exception stands that the frames from `index` on lead to, or the next header; the end if neither does."""
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
    """An exception with its whole message: what is indented goes on with its line, other lines follow it."""
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
    if text.endswith(":") and not more:  # its message stands in paragraphs of their own
        more = _paragraphs(lines[index : index + FAR_MESSAGE])[-MESSAGE_LINES:]
    if text.endswith(":") and more:  # the message began with a line end
        text += " " + more.pop(0)
    return "\n".join([text, *more]), ahead if ahead > index else index


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """The lines with words until another traceback or another writer begins."""
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
