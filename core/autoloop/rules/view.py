"""What a rule can look at: one run's summary, its config and its log, and the searches in them that expressions use.

Nothing here reads a file; the log is lines that the caller hands over, asked for only when a rule wants them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from autoloop.configs.paths import get, places, split, why_no_match
from autoloop.metrics import MetricBook, default_book
from autoloop.model import Config, MetricSummary, Summary, UserError

MAX_LOG_LINES = 200_000
MAX_LINE = 500
MAX_PATTERN = 200
MAX_REPEATS = 3
MAX_OPTIONAL = 8
"""Python's regexes cannot be interrupted, so a search is bounded beforehand: this many lines, each cut to this many
characters, and a pattern of at most this many `*`, `+` and `{}`, none inside another, and this many `?`. What is left
is polynomial in the length of a line: an ordinary pattern takes microseconds, the worst (`.*.*.*x`) seconds a line."""

_COUNT = re.compile(r"\{\d*,?\d*\}")


@dataclass(frozen=True)
class RunView:
    """One run as a rule sees it. `log` is its lines, or a function that returns them, called only if a rule asks."""

    summary: Summary
    config: Config = field(default_factory=dict)
    log: Callable[[], Iterable[str]] | Sequence[str] = ()
    book: MetricBook = field(default_factory=default_book)

    def metric(self, name: str) -> tuple[str, MetricSummary | None]:
        """The canonical name of a metric written in any of its names, and its summary if it ever appeared."""
        canonical, metrics = self.book.resolve_name(name) or name, self.summary.metrics
        if canonical not in metrics and (derived := self.book.derived.get(canonical)):
            # A summary that the original scripts wrote holds none of them; the first of several can still be told.
            matching = (sorted(n for n in metrics if fnmatchcase(n, pattern)) for pattern in derived.first_of)
            return canonical, next((metrics[names[0]] for names in matching if names), None)
        return canonical, metrics.get(canonical)

    def diverged(self, name: str) -> bool:
        """Whether the newest value of a metric, written in any of its names, is NaN or infinite."""
        return (self.book.resolve_name(name) or name) in self.summary.not_finite

    def setting(self, path: str) -> Any:
        """The config's value at a path written as in an edit (a number indexes a list). LookupError says why not."""
        segments = split(path)
        found = places(self.config, segments)
        if not found:
            raise LookupError(why_no_match(self.config, segments))
        return get(self.config, found[0])

    def search(self, pattern: re.Pattern[str]) -> tuple[str | None, bool]:
        """The first log line that the pattern finds, cut to MAX_LINE, and whether the log was looked at to its end."""
        lines = iter(self.log() if callable(self.log) else self.log)
        for line in islice(lines, MAX_LOG_LINES):
            text = line[:MAX_LINE].rstrip("\r\n")
            if pattern.search(text):
                return text.encode("utf-8", "replace").decode(), True
        return None, next(lines, None) is None


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A log pattern, checked. UserError (without a place) if it is no regex or could take for ever on some line."""
    if len(pattern) > MAX_PATTERN:
        raise UserError(f"the log pattern is longer than {MAX_PATTERN} characters")
    if any(ord(char) < 32 for char in pattern):
        raise UserError(f'the log pattern {pattern!r} holds a control character; write it raw, as in r"\\bword\\b"')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise UserError(f"the log pattern {pattern!r} is not a regular expression: {error}") from None
    _refuse_slow(pattern)
    return compiled


def _refuse_slow(pattern: str) -> None:
    """UserError for a repeat around a repeat or an alternative, which is exponential, and for too many of them."""
    groups = [False]  # per open group: does it hold a repeat or an alternative?
    repeats = optional = at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 2
        elif char == "[":
            at += 2 if pattern[at + 1 : at + 2] == "^" else 1
            at += pattern[at : at + 1] == "]"  # a `]` that comes first is an ordinary member
            while pattern[at : at + 1] not in ("]", ""):
                at += 2 if pattern[at] == "\\" else 1
            at += 1
        elif char == "(":
            groups.append(False)
            at += 2 if pattern[at + 1 : at + 2] == "?" else 1
        elif char == ")":
            inner = groups.pop() if len(groups) > 1 else False
            groups[-1] |= inner
            at += 1
            if inner and _repeat_at(pattern, at) and pattern[at] != "?":
                raise UserError(
                    f"the log pattern {pattern!r} repeats a group that holds a repeat or an alternative, "
                    "which can take for ever on a long line; leave the outer repeat out"
                )
        elif char == "|":
            groups[-1] = True
            at += 1
        elif length := _repeat_at(pattern, at):
            groups[-1] = True
            repeats += char != "?"
            optional += char == "?"
            at += length
            if pattern[at : at + 1] in ("?", "+"):
                at += 1
        else:
            at += 1
    if repeats > MAX_REPEATS or optional > MAX_OPTIONAL:
        most = f'{MAX_REPEATS} repeats or {MAX_OPTIONAL} "?"'
        raise UserError(f"the log pattern {pattern!r} has more than {most}; search for less at once")


def _repeat_at(pattern: str, at: int) -> int:
    """Length of the repeat that stands there, 0 if none does."""
    if pattern[at : at + 1] in ("*", "+", "?"):
        return 1
    counted = _COUNT.match(pattern, at)
    return len(counted.group()) if counted and len(counted.group()) > 2 else 0
