"""Incremental search and filtering of a log; it runs in short steps, so that keys stay responsive for logs of any size."""

from __future__ import annotations

import re
from array import array
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
from autoloop.model import UserError

from autoloop_tui.console.logs.tail import Lines

if TYPE_CHECKING:
    from autoloop.regex import Regex

MATCH_LIMIT = 1_000_000


class Query(msgspec.Struct, frozen=True):
    """A search query. `needle` is set for plain text, which is much faster than a pattern."""

    text: str
    pattern: Regex | re.Pattern[str]
    """A user's pattern, matched in bounded time, or one of ours."""
    needle: str | None = None
    fold: bool = False

    def matches(self, line: str) -> bool:
        if self.needle is not None:
            return self.needle in (line.lower() if self.fold else line)
        if isinstance(self.pattern, re.Pattern):
            return self.pattern.search(line) is not None
        return self.pattern.finds(line)

    def spans(self, line: str) -> list[tuple[int, int]]:
        """Return the positions of the matches in `line`, for highlighting."""
        if isinstance(self.pattern, re.Pattern):
            return [match.span() for match in self.pattern.finditer(line) if match.end() > match.start()]
        return self.pattern.spans(line)


def parse_query(text: str) -> Query:
    """Parse plain text, or a regular expression between slashes: `/loss=(nan|inf)/`. Matching is case-sensitive if the text
    has a capital letter. Raises UserError for an invalid expression."""
    fold = text == text.lower()
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        from autoloop.regex import compile_regex  # imported here because the first paint does not need RE2

        try:
            return Query(text, compile_regex(text[1:-1], ignore_case=fold))
        except UserError as error:
            raise UserError(f"not a regular expression: {error}; without the slashes it is plain text") from None
    literal = re.compile(re.escape(text), re.IGNORECASE if fold else re.NOFLAG)
    return Query(text, literal, text.lower() if fold else text, fold)


_RANK = r"^(?:\[[^\]]{1,40}\]:?\s*)?"
ERRORS = (
    # Launchers print their own traceback after the relevant one.
    Query(
        "errors",
        re.compile(
            _RANK + r"(?!.*(?:CalledProcessError|ChildFailedError))"
            r"(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|Interrupt)(?::|$)"
            r"|out of memory|[Ss]egmentation fault|core dumped|^Killed\b|\b(?:ERROR|FATAL|CRITICAL)\b"
        ),
    ),
    Query("tracebacks", re.compile(_RANK + r"Traceback \(most recent call last\)")),
)
"""What counts as an error; better matches first."""


class Search:
    """A search in progress. Call `step` until `done`; then `found` is the line, or None."""

    def __init__(
        self,
        log: Lines,
        queries: tuple[Query, ...],
        start: int,
        *,
        backward: bool = False,
        only: Query | None = None,
    ) -> None:
        """Search from line `start`, then wrap around; repeat for each of `queries` until one matches.

        `only`: skip lines that do not match this filter.
        """
        start = min(max(start, 0), log.count)
        legs = [(0, start + 1), (start + 1, log.count)] if backward else [(start, log.count), (0, start)]
        self._legs = [(query, *leg) for query in queries for leg in legs]
        self._log, self._backward, self._only = log, backward, only
        self._generation = log.generation
        self._start = start
        self.found: int | None = None
        self.done = False

    @property
    def wrapped(self) -> bool:
        """Whether the search wrapped around to find the line."""
        return self.found is not None and (self.found > self._start if self._backward else self.found < self._start)

    def step(self, seconds: float = 0.02) -> bool:
        """Search for about `seconds`; return whether the search is done."""
        deadline = monotonic() + seconds
        while self._legs and self._log.generation == self._generation:
            query, first, after = self._legs[0]
            if first >= after:
                del self._legs[0]
                continue
            low, high = self._log.block(first, after, self._backward)
            self._legs[0] = (query, first, low) if self._backward else (query, high, after)
            lines = list(enumerate(self._log.lines(low, high), low))
            for number, line in reversed(lines) if self._backward else lines:
                if query.matches(line) and (self._only is None or self._only.matches(line)):
                    self.found, self.done = number, True
                    return True
            if monotonic() >= deadline:
                return False
        self.done = True
        return True


class Matches:
    """The lines of a log that match `query` and, if given, `only`, collected incrementally. Beyond a million matches, the
    oldest are dropped."""

    def __init__(self, log: Lines, query: Query, only: Query | None = None) -> None:
        self.query, self.only = query, only
        self._log = log
        self._restart()

    def _restart(self) -> None:
        self.numbers = array("q")
        self.left_out = 0
        self.scanned = 0
        self._generation = self._log.generation

    @property
    def done(self) -> bool:
        return self.scanned >= self._log.complete and self._log.caught_up

    def keeps(self, line: str) -> bool:
        return self.query.matches(line) and (self.only is None or self.only.matches(line))

    def advance(self, seconds: float = 0.02) -> bool:
        """Search for about `seconds`; return whether a line was added or the log restarted."""
        if self._generation != self._log.generation:
            self._restart()
        growing = self._log.complete
        if self.numbers and self.numbers[-1] >= self.scanned:  # The line was still growing last time: check it again.
            self.numbers.pop()
        before, deadline = len(self.numbers) + self.left_out, monotonic() + seconds
        while self.scanned < growing:
            low, high = self._log.block(self.scanned, growing, False)
            self.numbers.extend(n for n, line in enumerate(self._log.lines(low, high), low) if self.keeps(line))
            self.scanned = high
            if monotonic() >= deadline:
                break
        if self.scanned == growing < self._log.count and self.keeps(self._log.line(growing)):
            self.numbers.append(growing)
        if len(self.numbers) > MATCH_LIMIT:
            del self.numbers[: MATCH_LIMIT // 2]
            self.left_out += MATCH_LIMIT // 2
        return len(self.numbers) + self.left_out != before
