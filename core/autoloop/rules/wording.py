"""Small phrases of the error messages about rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autoloop.text.suggest import did_you_mean


def nearest(word: str, choices: Iterable[str]) -> str:
    """`; did you mean "x"?` with the nearest choice, or nothing when none is near."""
    hint = did_you_mean(word, choices, quote='"')
    return f"; {hint}" if hint else ""


def kind_words(kind: str) -> str:
    return {"number": "a number", "truth": "true or false", "text": "text", "none": "nothing"}.get(kind, "some value")


def show(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a table"
    return "null" if value is None else cut(repr(value))


def cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
