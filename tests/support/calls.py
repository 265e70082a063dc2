"""Watching what is called while it goes on working."""

from __future__ import annotations

from typing import Any

import pytest


def calls_of(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[tuple[Any, ...]]:
    """The positional arguments of each call of `owner.name` from now on; a method of a class has its object first."""
    made: list[tuple[Any, ...]] = []
    real = getattr(owner, name)

    def call(*args: Any, **named: Any) -> Any:
        made.append(args)
        return real(*args, **named)

    monkeypatch.setattr(owner, name, call)
    return made
