"""Transactions are all or nothing, and others see none of the changes before the commit."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import autoloop
import pytest
from autoloop.model import RunState
from autoloop.protocol import Pause
from autoloop.store import Store

from tests.store.rows import a_loop, a_run


def test_a_transaction_that_fails_leaves_nothing_behind(store: Store) -> None:
    store.put_run(a_run("a", state=RunState.QUEUED))

    def change_and_fail() -> None:
        with store.transaction():
            store.put_run(a_run("a", state=RunState.RUNNING))
            with store.transaction():  # joins the outer one
                store.put_run(a_run("b"))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        change_and_fail()
    assert [(run.id, run.state) for run in store.runs(1)] == [("a", RunState.QUEUED)]
    with store.transaction():  # the connection can be used again
        store.put_run(a_run("c"))
    assert [run.id for run in store.runs(1)] == ["a", "c"]


def test_others_see_a_transaction_whole_or_not_at_all(store: Store) -> None:
    with Store.open(store.places.project) as other:
        with store.transaction():
            store.put_loop(a_loop())
            store.put_run(a_run("a"))
            assert other.loops() == []
            assert other.runs(1) == []
        assert len(other.loops()) == len(other.runs(1)) == 1


def test_what_a_transaction_has_to_tell_is_told_once_others_can_read_it(store: Store) -> None:
    told: list[int] = []
    with Store.open(store.places.project) as other:
        with store.transaction():
            with store.transaction():  # joins the outer one
                store.put_run(a_run("a"))
                store.once_written(lambda: told.append(len(other.runs(1))))
            assert told == []
        assert told == [1]
        with suppress(RuntimeError), store.transaction():
            store.once_written(lambda: told.append(-1))
            raise RuntimeError
        with store.transaction():
            store.put_run(a_run("b"))
        assert told == [1]  # what was rolled back is never reported
        store.once_written(lambda: told.append(0))
        assert told == [1, 0]
        with suppress(ZeroDivisionError), store.transaction():
            store.once_written(lambda: told.append(1 // 0))
            store.once_written(lambda: told.append(2))
        assert told == [1, 0, 2]


def test_a_snapshot_is_one_state_although_others_write_meanwhile(store: Store) -> None:
    store.put_loop(a_loop())
    store.put_run(a_run("a"))
    with Store.open(store.places.project) as writer, store.reading():
        assert len(store.runs(1)) == 1
        writer.put_run(a_run("b", position=1))
        assert len(store.runs(1)) == 1
    assert len(store.runs(1)) == 2


def test_the_version_changes_when_another_process_writes_and_only_then(store: Store) -> None:
    store.put_loop(a_loop())
    before = store.version()
    assert store.version() == before
    core = str(Path(autoloop.__file__).parents[1])
    code = (
        "import sys; from pathlib import Path; from autoloop.model import Sender; "
        "from autoloop.protocol import Pause; from autoloop.store import Store\n"
        "with Store.open(Path(sys.argv[1])) as store: store.send(1, Pause(), Sender(user='bob'))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(store.places.project)], env={**os.environ, "PYTHONPATH": core}, check=True
    )
    assert store.version() != before
    (command,) = store.open_commands(1)
    assert (command.request, command.sender.user, command.ok) == (Pause(), "bob", None)
