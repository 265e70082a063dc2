"""Recording of calls to a function that still does its work."""

from __future__ import annotations

from typing import Any

import pytest


def calls_of(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[tuple[Any, ...]]:
    """Return a list that receives the positional arguments of each call of `owner.name`. For a method of a class, the first
    is the object."""
    made: list[tuple[Any, ...]] = []
    real = getattr(owner, name)

    def call(*args: Any, **named: Any) -> Any:
        made.append(args)
        return real(*args, **named)

    monkeypatch.setattr(owner, name, call)
    return made
