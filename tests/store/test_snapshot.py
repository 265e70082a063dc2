"""A snapshot updated from the changed rows equals one that is read again completely, whatever was written."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from autoloop.model import Actor, Attempt, Proposal, ProposalStatus, RunState, UserError
from autoloop.store import Store, take_snapshot

from tests.store.rows import a_loop, a_run
from tests.support.databases import connections


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, create=True) as made:
        made.put_loop(a_loop())
        for place, name in enumerate("abc"):
            made.put_run(a_run(name, position=place, group=name))
        yield made


def an_attempt(run: str, number: int) -> Attempt:
    return Attempt(id=f"{run}-{number}", run=run, number=number, slot=0, output_dir="", directory="", created_at=1.0)


def a_proposal(number: int, loop: int = 1) -> Proposal:
    return Proposal(id=number, loop=loop, round=1, base_run="a", author=Actor.person("x"), reason="", edits=[])


def test_a_later_snapshot_equals_one_that_is_read_anew(store: Store) -> None:
    def is_as_read_anew() -> bool:
        with Store.open(store.places.project) as other:
            return take_snapshot(looking, 1) == take_snapshot(other, 1)

    with Store.open(store.places.project) as looking:
        first = take_snapshot(looking, 1)
        assert is_as_read_anew()
        store.put_run(a_run("late", round_=2))
        store.put_run(a_run("between", round_=1))  # a round may get a run after the next round has begun
        store.put_attempt(an_attempt("a", 1), 1)
        store.put_proposal(a_proposal(1))
        assert is_as_read_anew()
        assert [run.id for run in take_snapshot(looking, 1).runs] == ["a", "b", "c", "between", "late"]
        store.put_attempt(an_attempt("a", 2), 1)
        store.put_attempt(msgspec.structs.replace(an_attempt("a", 1), result=RunState.FAILED), 1)
        store.put_run(msgspec.structs.replace(store.run("b"), state=RunState.FINISHED))
        store.put_proposal(msgspec.structs.replace(a_proposal(1), status=ProposalStatus.APPROVED))
        assert is_as_read_anew()
        assert take_snapshot(looking, 1).attempts["a"].number == 2
        assert len(first.runs) == 3  # the earlier snapshot is unchanged


def test_replicates_in_other_loops_come_and_go(store: Store) -> None:
    store.put_loop(a_loop(2))
    with Store.open(store.places.project) as looking:
        assert take_snapshot(looking, 1).elsewhere == []
        twin = a_run("twin", loop=2, group="b", state=RunState.FINISHED)
        store.put_run(twin)
        assert take_snapshot(looking, 1).elsewhere == [twin]
        store.put_run(msgspec.structs.replace(twin, state=RunState.QUEUED))  # extended
        assert take_snapshot(looking, 1).elsewhere == []
        store.put_run(a_run("stranger", loop=2, group="z", state=RunState.FINISHED))
        assert take_snapshot(looking, 1).elsewhere == []
        store.put_run(a_run("new", group="z"))
        assert [run.id for run in take_snapshot(looking, 1).elsewhere] == ["stranger"]


def test_what_was_undone_is_not_shown(store: Store) -> None:
    take_snapshot(store, 1)
    seen: list[int] = []
    with contextlib.suppress(KeyboardInterrupt), store.transaction():
        store.put_run(a_run("undone"))
        seen.append(len(take_snapshot(store, 1).runs))
        raise KeyboardInterrupt
    assert seen == [4]
    store.put_run(a_run("done"))
    assert [run.id for run in take_snapshot(store, 1).runs] == ["a", "b", "c", "done"]


def test_changes_after_a_loop_was_forgotten_are_seen(store: Store) -> None:
    """Its changes had the highest numbers."""
    store.put_loop(a_loop(2))
    store.put_run(a_run("x", loop=2))
    with Store.open(store.places.project) as looking:
        assert len(take_snapshot(looking, 2).runs) == 1
        take_snapshot(looking, 1)
        store.forget_loop(2)
        store.put_run(msgspec.structs.replace(store.run("c"), step=3))
        assert take_snapshot(looking, 1).runs[-1].step == 3
        store.put_loop(a_loop(2, created_at=9.0))  # its number is used again
        store.put_run(a_run("y", loop=2))
        assert [run.id for run in take_snapshot(looking, 2).runs] == ["y"]


def test_a_row_that_cannot_be_read_hides_no_change_once_it_is_mended(store: Store) -> None:
    database = sqlite3.connect(store.places.database, isolation_level=None)
    with Store.open(store.places.project) as looking, contextlib.closing(database):
        take_snapshot(looking, 1)
        good = store.run("b")
        store.put_run(msgspec.structs.replace(good, step=1))
        database.execute("UPDATE runs SET body = X'7b' WHERE id = 'b'")
        with pytest.raises(UserError, match="cannot be read"):
            take_snapshot(looking, 1)
        mended = msgspec.json.encode(msgspec.structs.replace(good, step=7))
        database.execute("UPDATE runs SET body = ? WHERE id = 'b'", [mended])
        assert take_snapshot(looking, 1).runs[1].step == 7


def test_rows_that_did_not_change_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = connections(monkeypatch)
    with Store.open(tmp_path, create=True) as store, Store.open(tmp_path) as looking:
        store.put_loop(a_loop())
        for number in range(200):
            store.put_run(a_run(f"r{number}", position=number))
            store.put_proposal(a_proposal(number + 1))
        take_snapshot(looking, 1)
        store.put_run(a_run("r50", position=50, step=4))
        asked: list[str] = []
        opened[-1].set_trace_callback(asked.append)
        assert take_snapshot(looking, 1).runs[50].step == 4
        opened[-1].set_trace_callback(None)
        bodies = [sql for sql in asked if "body" in sql and (" runs " in sql or " proposals " in sql)]
        assert [sql for sql in bodies if "revision >" not in sql] == []
