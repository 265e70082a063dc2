"""Names reduced to the parts that distinguish them, for the heads of narrow columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS = re.compile(r"[^_,\s-]+")


def telling(names: Sequence[str]) -> list[str]:
    """Return each name without its common leading and trailing words: `reg_040,seed=1`, `reg_064,seed=1` → `reg_040`,
    `reg_064`. The word before a bare number is kept. Returns empty strings if the names are identical."""
    words = [[found.span() for found in _WORDS.finditer(name)] for name in names]
    if len(set(names)) < 2 or not all(words):
        return ["" for _ in names] if len(names) > 1 else list(names)
    parts = [[name[start:end] for start, end in spans] for name, spans in zip(names, words, strict=True)]
    shortest = min(map(len, parts))
    head = next((n for n in range(shortest) if len({each[n] for each in parts}) > 1), shortest)
    tail = next((n for n in range(shortest - head) if len({each[-1 - n] for each in parts}) > 1), shortest - head)
    if head and any(_bare(each[head : len(each) - tail]) for each in parts):
        head -= 1
    found = []
    for name, spans in zip(names, words, strict=True):
        kept = spans[head : len(spans) - tail] or spans[-1:]
        found.append(name[kept[0][0] : kept[-1][1]])
    return found


def _bare(words: Sequence[str]) -> bool:
    """Return whether the preceding word is needed: nothing is left, or a number comes first."""
    return not words or words[0].replace(".", "").isdigit()
