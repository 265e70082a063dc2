"""A copy of a database, updated by the rows that changed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.model import Delivery, EventKind, HookEvent, Message, RunState, UserError
from autoloop.protocol import Pause
from autoloop.store import Places, Store
from autoloop.store.copying import KEYS, Changes, Copy, Table

from tests.console.projects import NOW, RecordedProject
from tests.support.senders import person


@pytest.fixture
def project(tmp_path: Path) -> Iterator[RecordedProject]:
    (tmp_path / "project").mkdir()
    made = RecordedProject(tmp_path / "project")
    base = made.run("base")
    made.run("variant", RunState.QUEUED, base=base)
    made.proposal(base)
    yield made
    made.store.close()


def rows(places: Places) -> dict[str, list[Any]]:
    with contextlib.closing(sqlite3.connect(places.database)) as db:
        return {name: db.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid").fetchall() for name in KEYS}


def test_a_copy_follows_what_is_written_changed_and_deleted(project: RecordedProject, tmp_path: Path) -> None:
    places = Places(tmp_path / "copy")
    changes, copy = Changes(project.store.places), Copy(places)
    with Store.open(places.project) as here:

        def same() -> bool:
            assert [loop.id for loop in here.loops()] == [1]
            return rows(project.store.places) == rows(places)

        copy.apply(changes.take(), whole=True)
        assert same()
        assert not changes.any
        run = project.store.run("run00002")
        project.store.put_run(msgspec.structs.replace(run, state=RunState.STOPPED))
        project.store.add_event(1, EventKind.LOOP_STARTED, "it begins")
        number = project.store.send(1, Pause(), person())
        message = Message(id="1", event=HookEvent.RUN_FAILED, at=NOW, text="x")
        project.store.put_delivery(Delivery(id=1, loop=1, hook="phone", message=message))
        assert changes.any
        told = changes.take()
        assert {table.name: len(table.rows) for table in told} == {
            "runs": 1,
            "events": 1,
            "commands": 1,
            "deliveries": 1,
        }
        copy.apply(told, whole=False)
        assert same()
        project.store.add_event(1, EventKind.LOOP_STARTED, "and again")
        project.store.answer(number, True, "paused")
        told = changes.take()
        assert {table.name: len(table.rows) for table in told} == {"events": 1, "commands": 1}
        copy.apply(told, whole=False)
        assert same()
        project.store.forget_loop(1)
        copy.apply(changes.take(), whole=False)
        assert here.loops() == []
        assert here.events(1) == []
        # A new connection takes everything, and the copy drops the rows that are not in it.
        copy.apply(Changes(project.store.places).take(), whole=True)
        assert [len(store.attempts("run00001")) for store in (project.store, here)] == [1, 1]
    changes.close()
    copy.close()


def test_every_table_is_copied(project: RecordedProject) -> None:
    with contextlib.closing(sqlite3.connect(project.store.places.database)) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == set(KEYS)


def test_rows_of_another_version_are_refused(tmp_path: Path) -> None:
    copy = Copy(Places(tmp_path / "copy"))
    for table in (Table("loops", ["id", "more"], [], []), Table("sqlite_master", ["rowid"], [], [1])):
        with pytest.raises(UserError, match="versions differ"):
            copy.apply([table], whole=False)
    copy.close()
