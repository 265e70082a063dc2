"""Suggestions for unknown words."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` is probably a typo of, ignoring case; None if none is near."""
    import difflib

    by_lower = {each.lower(): each for each in sorted(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, 1)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", *, quote: str = "") -> str:
    """`did you mean X?` with the nearest known word (between quotes, if given), or `otherwise` if none is near."""
    near = nearest(word, known)
    return otherwise if near is None else f"did you mean {quote}{near}{quote}?"
