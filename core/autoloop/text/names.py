"""Names: valid as part of a path and on a terminal, and not yet taken."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator

LONGEST_NAME = 80
"""Characters of a run's name, and half its bytes: a file name has 255 bytes, with index, id and suffixes."""


def safe_name(name: str) -> str:
    """A name that is safe as part of a path and on a terminal: letters, digits, their marks and emoji of any script."""
    kept = "".join(c if _belongs(c) else " " for c in unicodedata.normalize("NFC", name))
    short = re.sub(" +", "_", kept).strip("._")[:LONGEST_NAME]
    return short.encode()[: 2 * LONGEST_NAME].decode(errors="ignore").strip("._") or "config"


def _belongs(character: str) -> bool:
    return character in "._+=,-" or unicodedata.category(character)[0] in "LNM" or unicodedata.category(character) == "So"


def numbered(name: str) -> Iterator[str]:
    """`name`, `name-2`, `name-3` … without an end."""
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"


def unused_name(name: str, taken: Collection[str]) -> str:
    """`name`, or `name-2`, `name-3` … where another run of the loop has it."""
    return next(free for free in numbered(name) if free not in taken)
