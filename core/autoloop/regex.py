"""Regular expressions from users and presets, matched in linear time: RE2 instead of Python's `re`.

Python's engine backtracks, cannot be interrupted and holds the GIL meanwhile, so `(a+)+$` and one unlucky log line would
hang an engine for ever. RE2 reads each character once. It cannot support look-around and back-references, which are refused
with a message. `\\w`, `\\d`, `\\s` and `\\b` are ASCII only; `\\pL` is any letter.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterable

import re2

from autoloop.model import UserError

MAX_TEXT = 16 << 10
"""Characters of a text that are searched: log lines have no limit of their own."""
MAX_SIZE = 1000
"""Largest number of instructions in a compiled expression; the worst-case cost per character is proportional to it."""

_NOT_TAKEN = "look-around, back-references, possessive repeats, repeats beyond 1000 and \\Z (write \\z) are not supported"


class Regex:
    """One expression, searched anywhere in the first MAX_TEXT characters of a text."""

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        """Compile the pattern. UserError with a lower-case clause if it is invalid, unsupported or too large."""
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = not ignore_case
        self.pattern = pattern
        try:
            self._compiled = re2.compile(pattern, options)
        except (re2.error, UnicodeEncodeError) as error:
            raise UserError(_why_not(pattern, error)) from None
        self.names = frozenset(self._compiled.groupindex)
        """The named groups."""
        if self._compiled.programsize > MAX_SIZE:
            raise UserError("it is too large; repeat less, or name fewer alternatives")

    def finds(self, text: str) -> bool:
        return self._compiled.search(_bytes(text)) is not None

    def groups(self, text: str) -> dict[str, str | None] | None:
        """Return the named groups of the first match, with None for groups that took no part; None if nothing matches."""
        match = self._compiled.search(_bytes(text))
        if match is None:
            return None
        return {name: None if (value := match[name]) is None else value.decode("utf-8", "replace") for name in self.names}

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return the start and end of each non-empty match."""
        if not (text := text[:MAX_TEXT]).isascii():
            text = text.encode("utf-8", "replace").decode()  # half a surrogate pair becomes one `?`
        return [match.span() for match in self._compiled.finditer(text) if match.end() > match.start()]


class RegexSet:
    """Several expressions, searched in one pass."""

    def __init__(self, patterns: Iterable[str]) -> None:
        options = re2.Options()
        options.log_errors = False
        self._patterns = tuple(patterns)
        self._set = re2.Set.SearchSet(options)
        for pattern in self._patterns:
            self._set.Add(pattern)
        if self._patterns:
            self._set.Compile()

    def which(self, text: str) -> list[int]:
        """Return the indices of the expressions that match, in order."""
        return sorted(self._set.Match(_bytes(text)) or ()) if self._patterns else []


@functools.lru_cache(512)
def compile_regex(pattern: str, *, ignore_case: bool = False) -> Regex:
    """Return a user's pattern, compiled. UserError is a clause that completes "… is not a usable regular expression: "."""
    return Regex(pattern, ignore_case=ignore_case)


def _bytes(text: str) -> bytes:
    return text[:MAX_TEXT].encode("utf-8", "replace")


def _why_not(pattern: str, error: Exception) -> str:
    """The reason: Python's message if Python refuses the pattern too, because it gives the position; otherwise RE2's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, ValueError) as python:
        return str(python)
    if isinstance(error, UnicodeEncodeError):
        return "it contains half a surrogate pair"
    given = error.args[0] if error.args else b""
    words = given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)
    return f"{words}; it must match in bounded time, so {_NOT_TAKEN}"
