"""Names: a series of candidates of which the first that is free is taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterator


def numbered(name: str) -> Iterator[str]:
    """`name`, `name-2`, `name-3` … without an end."""
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"
