"""What a rule can see: one run's summary, config and log, with the lookups that expressions use.

Nothing here reads a file: the caller provides the log lines, and they are requested only if a rule needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from autoloop.configs.paths import get, places, split, why_no_match
from autoloop.metrics import MetricBook, default_book, found_as
from autoloop.model import Config, MetricSummary, Summary, UserError
from autoloop.regex import Regex, compile_regex
from autoloop.verdicts import BaseComparison

MAX_LOG_LINES = 200_000
MAX_LINE = 500
"""Limits of a log search: MAX_LOG_LINES lines, each cut to MAX_LINE characters."""


@dataclass(frozen=True)
class RunView:
    """One run as a rule sees it. `log`: its lines, or a function that returns them, called only if a rule needs it."""

    summary: Summary
    config: Config = field(default_factory=dict)
    log: Callable[[], Iterable[str]] | Sequence[str] = ()
    book: MetricBook = field(default_factory=default_book)
    against: Callable[[], BaseComparison] | None = None
    """Returns the run's config among the others of its loop, called only if a rule needs it; None for a run outside a
    loop."""

    def metric(self, name: str) -> tuple[str, MetricSummary | None]:
        """Return the canonical name of a metric, given any of its names, and its summary if it ever appeared."""
        metrics = self.summary.metrics
        canonical = found_as(name, self.book, metrics)
        if canonical not in metrics and (derived := self.book.derived.get(canonical)):
            # Summaries of the original scripts have no derived metrics, but a `first_of` metric can still be found.
            matching = (sorted(n for n in metrics if fnmatchcase(n, pattern)) for pattern in derived.first_of)
            return canonical, next((metrics[names[0]] for names in matching if names), None)
        return canonical, metrics.get(canonical)

    def diverged(self, name: str, times: int = 1) -> bool:
        """Whether the newest `times` values of a metric, given any of its names, are NaN or infinite."""
        canonical = found_as(name, self.book, self.summary.not_finite)
        return canonical in self.summary.not_finite and self.summary.in_a_row.get(canonical, 1) >= times

    def infinite(self, name: str) -> bool:
        """Whether the newest value of a metric, given any of its names, is positive infinity."""
        return found_as(name, self.book, self.summary.infinite) in self.summary.infinite

    def among_runs(self) -> BaseComparison:
        """Return the run's config among others. LookupError if the run belongs to no known loop."""
        if self.against is None:
            raise LookupError("runs are compared within a loop, and this run belongs to no known loop")
        return self.against()

    def setting(self, path: str) -> Any:
        """Return the config's value at a path, written as in an edit (a number indexes a list). LookupError says why there
        is none."""
        segments = split(path)
        found = places(self.config, segments)
        if not found:
            raise LookupError(why_no_match(self.config, segments))
        return get(self.config, found[0])

    def search(self, pattern: Regex) -> tuple[str | None, bool]:
        """Return the first matching log line, cut to MAX_LINE, and whether the search was complete: it found a line or
        reached the end of the log."""
        lines = iter(self.log() if callable(self.log) else self.log)
        for line in islice(lines, MAX_LOG_LINES):
            text = line[:MAX_LINE].rstrip("\r\n")
            if pattern.finds(text):
                return text.encode("utf-8", "replace").decode(), True
        return None, next(lines, None) is None


def compile_pattern(pattern: str) -> Regex:
    """Compile and check a log pattern. UserError (without a position) says what is wrong with it."""
    if any(ord(char) < 32 for char in pattern):
        raise UserError(f'the log pattern {pattern!r} contains a control character; write it raw, as in r"\\bword\\b"')
    try:
        return compile_regex(pattern)
    except UserError as error:
        raise UserError(f'the log pattern "{cut(pattern)}" is not a usable regular expression: {error}') from None


def cut(text: str) -> str:
    """Return `text`, cut to 60 characters for an error message."""
    return text if len(text) <= 60 else text[:57] + "…"
