"""A database of an earlier version is migrated once, with a copy kept, or refused; a migration is never left half-done."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from autoloop.engine.driver.lock import EngineLock
from autoloop.model import Actor, Note, NoteTarget, RunState, Sender, UserError
from autoloop.protocol import Pause
from autoloop.store import SCHEMA_VERSION, Places, Store, opening, take_snapshot

from tests.store.rows import filled, without_revisions
from tests.support.senders import person


def older(path: Path, version: int) -> None:
    with sqlite3.connect(path) as raw:
        without_revisions(raw)
        raw.execute("DROP TABLE deliveries")
        raw.execute("DROP INDEX runs_by_state")
        raw.execute("DROP INDEX runs_by_group")
        raw.execute("DROP TABLE notes")
        raw.execute("ALTER TABLE commands DROP COLUMN sender")
        raw.execute("ALTER TABLE runs DROP COLUMN config_group")
        raw.execute(f"PRAGMA user_version = {version}")
    raw.close()


def version_of(path: Path) -> int:
    raw = sqlite3.connect(path)
    found = int(raw.execute("PRAGMA user_version").fetchone()[0])
    raw.close()
    return found


def test_an_older_database_is_migrated_and_a_copy_of_it_is_kept(tmp_path: Path) -> None:
    path = filled(tmp_path)
    older(path, 1)
    with Store.open(tmp_path) as store:
        assert len(store.runs(1)) == 300
        assert store.counts(1) == {RunState.QUEUED: 300}
    assert version_of(path) == SCHEMA_VERSION
    copy = path.with_name("autoloop.db.version-1")
    assert version_of(copy) == 1
    assert copy.stat().st_mode & 0o077 == 0
    raw = sqlite3.connect(copy)
    assert raw.execute("SELECT COUNT(*) FROM runs").fetchone() == (300,)
    raw.close()
    Store.open(tmp_path).close()  # only once
    assert sorted(p.name for p in path.parent.glob("*version*")) == [copy.name]


def test_replicates_in_other_loops_are_found_in_a_database_that_was_migrated(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Store.open(tmp_path) as store:
        loop, (one, two, *_) = store.loop(1), store.runs(1)
        store.put_loop(msgspec.structs.replace(loop, id=2, name="loop_2"))
        store.put_run(msgspec.structs.replace(one, group="alike", state=RunState.FINISHED))
        store.put_run(msgspec.structs.replace(two, loop=2, group="alike"))
    older(path, 1)
    with Store.open(tmp_path) as store:
        assert [run.id for run in store.replicates_elsewhere(2)] == [one.id]
        assert store.replicates_elsewhere(1) == []  # the run has not finished


def test_requests_that_waited_in_an_older_database_are_a_persons(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Store.open(tmp_path) as store:
        answered, waiting = (store.send(1, Pause(), person("ada")) for _ in range(2))
        store.answer(answered, True, "paused")
    older(path, 1)
    with Store.open(tmp_path) as store:
        assert store.command(waiting).sender == Sender(user="ada", terminal="unknown")
        assert store.command(answered).sender == Sender(user="ada")  # no longer known
        assert [command.id for command in store.open_commands(1)] == [waiting]


def test_a_database_without_notes_takes_them_once_it_is_migrated(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as raw:
        without_revisions(raw)
        raw.execute("DROP TABLE notes")
        raw.execute("DROP TABLE deliveries")
        raw.execute("PRAGMA user_version = 7")
    raw.close()
    with Store.open(tmp_path) as store:
        assert store.notes(1) == []
        note = Note(id=1, loop=1, target=NoteTarget.LOOP, text="seen", author=Actor.agent("codex"), at=1.5, command=1)
        store.put_note(note)
        assert store.notes(1) == [note]
    assert version_of(path) == SCHEMA_VERSION
    assert version_of(path.with_name("autoloop.db.version-7")) == 7


def test_what_changes_after_a_migration_is_seen_by_who_looked_before(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as raw:
        without_revisions(raw)
        raw.execute("PRAGMA user_version = 9")
    raw.close()
    with Store.open(tmp_path) as looking, Store.open(tmp_path) as store:
        assert len(take_snapshot(looking, 1).runs) == 300
        store.put_run(msgspec.structs.replace(store.run("run7"), step=5))
        assert [run.id for run in take_snapshot(looking, 1).runs if run.step] == ["run7"]


def test_steps_from_an_artificial_version_0_are_taken_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path)
    older(path, 0)
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE runs RENAME TO trainings")
    raw.close()

    def rename(db: sqlite3.Connection, _: Path) -> None:
        db.execute("ALTER TABLE trainings RENAME TO runs")

    monkeypatch.setitem(opening.MIGRATIONS, 0, rename)
    with Store.open(tmp_path) as store:
        assert len(store.runs(1)) == 300
    assert version_of(path) == SCHEMA_VERSION
    assert version_of(path.with_name("autoloop.db.version-0")) == 0


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path)
    older(path, 1)

    def fail(db: sqlite3.Connection, _: Path) -> None:
        db.execute("DROP TABLE events")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(opening.MIGRATIONS, 1, fail)
        with pytest.raises(KeyboardInterrupt):
            Store.open(tmp_path)
    assert version_of(path) == 1
    with Store.open(tmp_path) as store:
        assert store.events(1) == []


def test_a_version_that_nothing_leads_from_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    older(path, 0)
    with pytest.raises(UserError, match="too old"):
        Store.open(tmp_path)
    assert version_of(path) == 0


def test_an_older_database_is_not_migrated_under_an_engine_of_that_version(tmp_path: Path) -> None:
    path = filled(tmp_path)
    lock = EngineLock(Places(tmp_path).lock("loop_1"))
    assert lock.acquire() is None
    older(path, 1)
    with pytest.raises(UserError, match="still runs a loop"):
        Store.open(tmp_path)
    lock.release()
    Store.open(tmp_path).close()
