"""The SQLite file of a store, observed and disturbed from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from autoloop.store import Store

WRITES = ("put_loop", "put_round", "put_run", "put_attempt", "put_proposal", "add_event")
"""The methods that write a row for an engine."""


def assert_intact(store: Store) -> None:
    with closing(sqlite3.connect(store.places.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Return a list that receives the connections opened from now on, newest last."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def kept(*args: Any, **named: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **named))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    return opened


def before_each_row(store: Store, then: Callable[[], None]) -> None:
    """Call `then` before each row that this store object writes. If it raises, the row is not written."""
    for name in WRITES:
        setattr(store, name, _after(then, getattr(store, name)))


def _after(first: Callable[[], None], write: Callable[..., Any]) -> Callable[..., Any]:
    def both(*args: Any, **named: Any) -> Any:
        first()
        return write(*args, **named)

    return both


class Died(BaseException):
    """Ends an engine in the middle of its work."""


def die_at(store: Store, number: int) -> None:
    """Raise Died just before the store writes row `number`, counted from 1."""
    left = number

    def die() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Died

    before_each_row(store, die)
