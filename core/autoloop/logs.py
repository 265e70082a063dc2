"""Reads a run's log for diagnosis, live rules and the watchdog: plain lines from a limited part of the file."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

HEAD_BYTES = 128 << 10
"""Enough for a trainer's output before its first step: device warnings, then the resolved config."""
TAIL_BYTES = 512 << 10
LONGEST_LINE = 4000
"""Characters; only both ends of a longer line are kept."""

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])")
_CONTROLS = {code: None for code in [*range(9), *range(11, 32), *range(127, 160)]} | {9: "    "}


_UNSEEN = ("Cf", "Cc", "Co", "Cs", "Zl", "Zp")
"""Unicode categories of invisible characters."""


def log_lines(data: bytes) -> list[str]:
    """Return lines as a terminal shows them: split at \\n and \\r, without escape sequences and control characters."""
    text = _ESCAPES.sub("", data.decode("utf-8", "replace"))
    return [_bounded(line.translate(_CONTROLS).rstrip()) for line in re.split(r"[\r\n]+", text)]


def one_line(text: str) -> str:
    """Return untrusted text as one visible line: without escape sequences, control characters, bidirectional marks and
    zero-width characters."""
    line = " ".join(part for part in log_lines(text.encode("utf-8", "replace")) if part)
    return "".join(" " if unicodedata.category(each) in _UNSEEN else each for each in line).strip()


def visible(text: str) -> str:
    """Like `one_line`, but keeps line breaks and indentation."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return "".join(" " if each not in "\n\t" and unicodedata.category(each) in _UNSEEN else each for each in text)


def _bounded(line: str) -> str:
    """Shorten an overlong line to its two ends: the cause may be in either, and matching patterns stays fast."""
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}"


def read_log_tail(path: Path, head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> list[str]:
    """Return the lines in the first `head` and the last `tail` bytes of a log of any length; empty if unreadable."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size <= head + tail:
                return log_lines(file.read(head + tail))
            first = file.read(head)
            file.seek(size - tail)
            last = file.read(tail)
    except OSError:
        return []
    return [*log_lines(first)[:-1], *log_lines(last)[1:]]
