"""Bounds that a rule sets for the results of its own edits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from autoloop.configs.paths import split
from autoloop.model import Change


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The smallest and the largest value that an edit may produce."""

    min: int | float | None = None
    max: int | float | None = None


Clamp = Mapping[str, Bounds]
"""Bounds by path pattern, written as in an edit; `*` matches any single key or list index."""


def clamp_changes(changes: Iterable[Change], clamp: Clamp) -> list[Change]:
    """The changes, with numbers limited to the bounds of the first matching pattern and a note on each limited one.

    A bound applies regardless of the value before: with a minimum of 0.02, an edit from 0.01 to -0.04 results in 0.02.
    """
    result: list[Change] = []
    for change in changes:
        bounds = next((bounds for pattern, bounds in clamp.items() if _fits(pattern, change.path)), None)
        result.append(change if bounds is None else _within(change, bounds))
    return result


def _fits(pattern: str, path: str) -> bool:
    wanted, parts = split(pattern), split(path)
    return len(wanted) == len(parts) and all(w in ("*", p) for w, p in zip(wanted, parts, strict=True))


def _within(change: Change, bounds: Bounds) -> Change:
    value = change.after
    if isinstance(value, bool) or not isinstance(value, int | float):
        return change
    for name, bound, beyond in (
        ("minimum", bounds.min, bounds.min is not None and value < bounds.min),
        ("maximum", bounds.max, bounds.max is not None and value > bounds.max),
    ):
        if beyond and bound is not None:
            after = int(bound) if isinstance(value, int) and bound == int(bound) else bound
            note = f"limited to the rule's {name} of {bound} instead of {value}"
            note = f"{change.note}; {note}" if change.note else note
            return msgspec.structs.replace(change, after=after, note=note)
    return change
