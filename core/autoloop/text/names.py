"""Makes names that are valid in paths and on terminals, and unused."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator

LONGEST_NAME = 80
"""The most characters of a run's name. It also has at most twice as many bytes, because a file name, with index, id and
suffixes, is limited to 255."""


def safe_name(name: str) -> str:
    """Return the name with only characters that are safe in paths and on terminals: letters, digits and combining marks of
    any script, emoji, and `._+=,-`."""
    kept = "".join(c if _belongs(c) else " " for c in unicodedata.normalize("NFC", name))
    short = re.sub(" +", "_", kept).strip("._")[:LONGEST_NAME]
    return short.encode()[: 2 * LONGEST_NAME].decode(errors="ignore").strip("._") or "config"


def _belongs(character: str) -> bool:
    return character in "._+=,-" or unicodedata.category(character)[0] in "LNM" or unicodedata.category(character) == "So"


def numbered(name: str) -> Iterator[str]:
    """Yield `name`, `name-2`, `name-3` … without end."""
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"


def unused_name(name: str, taken: Collection[str]) -> str:
    """Return `name`, or the first of `name-2`, `name-3` … that is not taken."""
    return next(free for free in numbered(name) if free not in taken)
