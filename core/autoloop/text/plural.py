"""Counted nouns."""

from __future__ import annotations


def plural(number: int, noun: str) -> str:
    """`1 run`, `2 runs`, `0 runs`."""
    return f"{number} {noun_for(number, noun)}"


def noun_for(number: int, noun: str) -> str:
    """The noun alone, in singular or plural."""
    return noun if number == 1 else f"{noun}s"
