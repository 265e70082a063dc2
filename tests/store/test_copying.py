"""A copy of a database that is kept by its changed rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from autoloop.model import EventKind, RunState, UserError
from autoloop.protocol import Pause
from autoloop.store import Places, Store, take_snapshot
from autoloop.store.copying import Changes, Copy, Table

from tests.console.projects import RecordedProject
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


def test_a_copy_follows_what_is_written_changed_and_deleted(project: RecordedProject, tmp_path: Path) -> None:
    places = Places(tmp_path / "copy")
    changes, copy = Changes(project.store.places), Copy(places)
    with Store.open(places.project) as here:

        def same() -> bool:
            """Where the two lie is the only difference."""
            seen = [msgspec.json.encode(take_snapshot(store, 1)) for store in (project.store, here)]
            theirs, ours = (each.replace(str(project.folder).encode(), str(places.project).encode()) for each in seen)
            rest = [store.events(1) for store in (project.store, here)], [store.loops() for store in (project.store, here)]
            commands = [store.open_commands(1) for store in (project.store, here)]
            assert rest[0][0] == rest[0][1]
            assert commands[0] == commands[1]
            return theirs == ours

        copy.apply(changes.take(), whole=True)
        assert same()
        assert not changes.any
        run = project.store.run("run00002")
        project.store.put_run(msgspec.structs.replace(run, state=RunState.STOPPED))
        project.store.add_event(1, EventKind.LOOP_STARTED, "it begins")
        number = project.store.send(1, Pause(), person())
        assert changes.any
        told = changes.take()
        assert {table.name: len(table.rows) for table in told} == {"runs": 1, "events": 1, "commands": 1}
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
        # Another connection, and what it has not told is not there.
        copy.apply(Changes(project.store.places).take(), whole=True)
        assert [len(store.attempts("run00001")) for store in (project.store, here)] == [1, 1]
    changes.close()
    copy.close()


def test_rows_of_another_version_are_refused(tmp_path: Path) -> None:
    copy = Copy(Places(tmp_path / "copy"))
    for table in (Table("loops", ["id", "more"], [], []), Table("sqlite_master", ["rowid"], [], [1])):
        with pytest.raises(UserError, match="different versions"):
            copy.apply([table], whole=False)
    copy.close()
