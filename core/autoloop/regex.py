"""Regular expressions that a person or a preset gives, in time proportional to the text: RE2 instead of Python's `re`.

Python's engine tries every way to match, cannot be interrupted and holds the interpreter while it does, so that `(a+)+$`
and one line of a log would stop an engine for ever. RE2 reads each character once. What cannot be done so, look-around
and back-references, is refused in a sentence. `\\w`, `\\d`, `\\s` and `\\b` know ASCII only; `\\pL` is any letter.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterable

import re2

from autoloop.model import UserError

MAX_TEXT = 16 << 10
"""Characters of a text that are looked at: lines of logs, which have no bound of their own."""
MAX_SIZE = 1000
"""Instructions of a compiled expression: what one character costs at worst is proportional to them."""

_NOT_TAKEN = "look-around, back-references, possessive repeats, repeats beyond 1000 and \\Z (write \\z) are not supported"


class Regex:
    """One expression, searched anywhere in the first MAX_TEXT characters of a text."""

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        """UserError, a clause that begins with a small letter, if the pattern is not one that can be taken."""
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
        """The named groups of the first match, None where one took no part; None if nothing matches."""
        match = self._compiled.search(_bytes(text))
        if match is None:
            return None
        return {name: None if (value := match[name]) is None else value.decode("utf-8", "replace") for name in self.names}

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where each match begins and ends; empty ones are left out."""
        if not (text := text[:MAX_TEXT]).isascii():
            text = text.encode("utf-8", "replace").decode()  # half a surrogate pair becomes one `?`
        return [match.span() for match in self._compiled.finditer(text) if match.end() > match.start()]


class RegexSet:
    """Tells in one pass which of several expressions a text matches, however many they are."""

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
        """The positions of those that match, in order."""
        return sorted(self._set.Match(_bytes(text)) or ()) if self._patterns else []


@functools.lru_cache(512)
def compile_regex(pattern: str, *, ignore_case: bool = False) -> Regex:
    """A person's pattern. UserError, a clause to put behind "… is not a usable regular expression: ", says why not."""
    return Regex(pattern, ignore_case=ignore_case)


def _bytes(text: str) -> bytes:
    return text[:MAX_TEXT].encode("utf-8", "replace")


def _why_not(pattern: str, error: Exception) -> str:
    """Python's words where it refuses the pattern too, because they say the place; RE2's where only RE2 does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, ValueError) as python:
        return str(python)
    if isinstance(error, UnicodeEncodeError):
        return "it holds half a surrogate pair"
    given = error.args[0] if error.args else b""
    words = given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)
    return f"{words}; it must match in bounded time, so {_NOT_TAKEN}"
