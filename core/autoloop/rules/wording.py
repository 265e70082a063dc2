"""The small phrases that the room's error sentences are made of."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def nearest(word: str, choices: Iterable[str]) -> str:
    """`; did you mean "x"?` with the nearest choice, or nothing when none is near."""
    by_lower = {choice.lower(): choice for choice in sorted(choices)}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return f'; did you mean "{by_lower[close[0]]}"?' if close else ""


def kind_words(kind: str) -> str:
    return {"number": "a number", "truth": "true or false", "text": "text", "none": "nothing"}.get(kind, "some value")


def show(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a table"
    return "null" if value is None else cut(repr(value))


def cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
