"""The database when something is wrong: damaged, full, in use elsewhere, old. One sentence each, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import autoloop
import msgspec
import pytest
from autoloop.engine.driver.lock import EngineLock
from autoloop.model import Loop, LoopSpec, LoopState, RunState, UserError
from autoloop.protocol import Pause
from autoloop.runners import procfs
from autoloop.store import SCHEMA_VERSION, Holder, Places, Store, StoreCorruptError, StoreUnavailableError, opening
from autoloop.store.trouble import translated

from tests.store.rows import a_loop, a_run
from tests.support.databases import assert_intact, connections

CORE = str(Path(autoloop.__file__).parents[1])


def filled(folder: Path, runs: int = 300) -> Path:
    with Store.open(folder, create=True) as store, store.transaction():
        store.put_loop(a_loop())
        for number in range(runs):
            store.put_run(a_run(f"run{number}", position=number, source_path="x" * 500))
    return folder / ".autoloop" / "autoloop.db"


def damaged(path: Path) -> None:
    """Garbage over every page but the first: it opens, and fails when it is read."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


def test_damage_that_is_met_after_opening_is_a_sentence(tmp_path: Path) -> None:
    path = filled(tmp_path)
    damaged(path)
    with Store.open(tmp_path) as store:
        asking: list[Callable[[], object]] = [
            lambda: store.runs(1),
            store.loops,
            lambda: store.put_run(a_run("x")),
            lambda: store.send(1, Pause(), "b"),
        ]
        for ask in asking:
            with pytest.raises(StoreCorruptError) as caught:
                ask()
            assert str(path) in str(caught.value)
            assert "damaged" in str(caught.value)
            assert "\n" not in str(caught.value)


def test_a_new_loop_is_not_written_into_a_damaged_file_that_opens(tmp_path: Path) -> None:
    path = filled(tmp_path)
    damaged(path)
    before = path.read_bytes()
    with Store.open(tmp_path, create=True) as store:
        assert "kept as autoloop.db.unreadable-" in (store.notice or "")
        assert store.loops() == []
    (aside,) = path.parent.glob("*.unreadable-*[0-9]")
    assert aside.read_bytes() == before


def test_a_row_that_no_longer_makes_sense_is_a_sentence(tmp_path: Path) -> None:
    path = filled(tmp_path)
    for body in (b"{", b"[]", b'{"id": 7}', b"\xff\xfe", "text", 5, None):
        with sqlite3.connect(path) as raw:
            raw.execute("PRAGMA ignore_check_constraints = 1")
            raw.execute("UPDATE loops SET body = ?", ("" if body is None else body,))
        raw.close()
        with Store.open(tmp_path) as store, pytest.raises(UserError, match="cannot be read"):
            store.loops()


def test_a_damaged_file_is_not_set_aside_under_an_engine_that_works_with_it(tmp_path: Path) -> None:
    path = filled(tmp_path)
    lock = EngineLock(Places(tmp_path).lock("loop_1"))
    assert lock.acquire() is None
    damaged(path)
    with pytest.raises(UserError, match="An engine still works with it"):
        Store.open(tmp_path, create=True)
    lock.release()
    assert list(path.parent.glob("*.unreadable-*")) == []


def test_a_write_that_finds_no_space_is_a_sentence_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    opened = connections(monkeypatch)
    with Store.open(tmp_path) as store:
        (database,) = opened
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")

        def write() -> None:
            with store.transaction():
                store.put_run(a_run("small"))
                for number in range(1000):
                    store.put_run(a_run(f"big{number}", source_path="x" * 5000))

        with pytest.raises(StoreUnavailableError, match="no space is left"):
            write()
        assert len(store.runs(1)) == 300
        database.execute("PRAGMA max_page_count = 1000000")
        store.probe()
        store.put_run(a_run("later"))
        assert len(store.runs(1)) == 301


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, "over quota"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, "full"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_BUSY, "locked"),
        (sqlite3.SQLITE_IOERR_SHORT_READ, "(-wal, -shm) was deleted"),
    ],
)
def test_what_the_disk_says_is_put_in_words(tmp_path: Path, code: int, words: str) -> None:
    error = sqlite3.OperationalError("as sqlite says it")
    error.sqlite_errorcode = code
    told = translated(error, tmp_path / "autoloop.db")
    assert isinstance(told, StoreUnavailableError)
    assert words in str(told)
    assert "as sqlite says it" in str(told)


def test_a_fault_of_ours_is_not_put_down_to_the_file(tmp_path: Path) -> None:
    filled(tmp_path)
    with Store.open(tmp_path) as store, pytest.raises(sqlite3.OperationalError, match="syntax"):
        store.next_id("no name of a table")


@pytest.mark.parametrize("kept", [0, 1, 60, 4096, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_damaged_and_not_new(tmp_path: Path, kept: float) -> None:
    path = filled(tmp_path)
    os.truncate(path, int(path.stat().st_size * kept) if 0 < kept < 1 else int(kept))
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError, match=r"damaged|empty"), Store.open(tmp_path) as store:
        store.loops()
    assert path.read_bytes() == before
    with Store.open(tmp_path, create=True) as store:
        assert "kept as autoloop.db.unreadable-" in (store.notice or "")
        assert store.loops() == []
    (aside,) = path.parent.glob("*.unreadable-*[0-9]")
    assert aside.read_bytes() == before


def test_a_file_that_was_emptied_under_an_engine_is_neither_read_nor_made_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Store.open(tmp_path) as engine_s:
        lock = EngineLock(Places(tmp_path).lock("loop_1"))
        assert lock.acquire() is None
        os.truncate(path, 0)
        assert engine_s.gone()
        with pytest.raises(StoreCorruptError, match="empty"):
            Store.open(tmp_path)
        with pytest.raises(UserError, match="An engine still works with it"):
            Store.open(tmp_path, create=True)
        assert path.read_bytes() == b""
        lock.release()


@pytest.mark.parametrize("endings", [("-wal", "-shm"), ("-wal",), ("-shm",)])
def test_where_an_engine_writes_what_nobody_can_see_the_project_is_not_called_new(
    tmp_path: Path, endings: tuple[str, ...]
) -> None:
    with Store.open(tmp_path, create=True) as store:
        lock = EngineLock(Places(tmp_path).lock("loop_1"))
        assert lock.acquire() is None
        store.put_loop(a_loop())
        for ending in endings:
            Places(tmp_path).database.with_name(f"autoloop.db{ending}").unlink()
        code = (  # another process: this one knows the files by what it has open
            "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
            "from autoloop.model import UserError; from autoloop.store import Store\n"
            "try: Store.open(Path(sys.argv[1])).find_loop(None)\n"
            "except UserError as error: print(error)"
        )
        argv = [sys.executable, "-c", code, str(tmp_path), CORE]
        assert (
            "writes to a file beside it (-wal, -shm) that was deleted"
            in subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        )
        lock.release()
    with Store.open(tmp_path) as later:
        assert later.find_loop(None) == a_loop()


def test_a_file_that_was_deleted_is_missed_and_what_it_left_is_not_taken_for_the_new_one_s(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Store.open(tmp_path) as other:
        other.put_loop(a_loop(2))
        assert path.with_name("autoloop.db-wal").stat().st_size
        path.unlink()
        with pytest.raises(StoreCorruptError, match="it is gone"):
            Store.open(tmp_path)
        with Store.open(tmp_path, create=True) as store:
            assert "was gone" in (store.notice or "")
            assert store.loops() == []
            store.put_loop(a_loop(3))
    with Store.open(tmp_path) as store:
        assert [loop.id for loop in store.loops()] == [3]
        assert_intact(store)


def test_a_file_that_was_deleted_or_replaced_is_noticed(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Store.open(tmp_path) as store:
        assert not store.gone()
        path.rename(path.with_name("elsewhere"))
        assert store.gone()
        path.write_bytes(b"")
        assert store.gone()


# --------------------------------------------------------------------------------------------------------- versions


def older(path: Path, version: int) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("DROP INDEX runs_by_state")
        raw.execute("DROP INDEX runs_by_group")
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
    Store.open(tmp_path).close()  # and once only
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
        assert store.replicates_elsewhere(1) == []  # it has not finished


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


# ---------------------------------------------------------------------------------------------- others and elsewhere


def test_a_project_whose_engine_is_on_another_machine_is_refused_with_its_name(tmp_path: Path) -> None:
    filled(tmp_path)
    lock = Places(tmp_path).lock("loop_1")
    lock.write_bytes(msgspec.json.encode(Holder(4711, "gpu-box-7", 1.0, "another boot")))
    for create in (False, True):
        with pytest.raises(UserError, match=r"loop_1 is driven by process 4711 on gpu-box-7") as caught:
            Store.open(tmp_path, create=create)
        assert str(lock) in str(caught.value)
    held = EngineLock(lock)
    holder = held.acquire()
    assert holder is not None
    assert holder.host == "gpu-box-7"
    lock.unlink()
    Store.open(tmp_path).close()


@pytest.mark.parametrize(
    "signed",
    [
        Holder(1, os.uname().nodename, 1.0, "an earlier boot"),  # this machine was restarted
        Holder(1, "the name before it was renamed", 1.0, procfs.boot_id()),
    ],
)
def test_what_an_engine_left_on_this_machine_is_in_nobody_s_way(tmp_path: Path, signed: Holder) -> None:
    filled(tmp_path)
    path = Places(tmp_path).lock("loop_1")
    path.write_bytes(msgspec.json.encode(signed))
    Store.open(tmp_path).close()
    lock = EngineLock(path)
    assert lock.acquire() is None
    assert json.loads(path.read_bytes())["boot"] == procfs.boot_id()
    lock.release()
    assert path.read_bytes() == b""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(folder: Path) -> str:
    """What a user with no rights is told who opens the project."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from autoloop.model import UserError; from autoloop.store import Store\n"
        "import pwd; pwd.getpwuid(0)\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: Store.open(Path(sys.argv[1]), create=True).close()\n"
        "except UserError as error: print(error)"
    )
    argv = [sys.executable, "-c", code, str(folder), CORE]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_refused_with_the_owner_s_name(public: Path) -> None:
    filled(public)
    assert f"{public / '.autoloop'} belongs to root" in as_nobody(public)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(
    "made", ["open folder", "read-only folder", "link", "database", "file below", "lock", "link below", "link to nowhere"]
)
def test_what_another_user_prepared_is_refused_and_left_alone(public: Path, made: str) -> None:
    project, evil = public / "project", public / "evil"
    home = project / ".autoloop"
    for folder in (project, evil):
        folder.mkdir()
        folder.chmod(0o777)
    if made == "open folder":
        for folder in (home, *(home / name for name in ("configs", "attempts", "locks", "engines"))):
            folder.mkdir()
            folder.chmod(0o777)
    elif made == "read-only folder":
        home.mkdir()
        home.chmod(0o755)
    elif made == "link":
        home.symlink_to(evil)
    elif made == "link to nowhere":
        home.symlink_to(public / "nothing")
    else:  # the folder is the victim's, and somebody could write into it
        for folder in (home, home / "locks"):
            folder.mkdir()
            os.chown(folder, 65534, 65534)
        if made == "database":
            filled(evil)
            (evil / ".autoloop/autoloop.db").rename(home / "autoloop.db")
            (home / "autoloop.db").chmod(0o666)
        elif made == "file below":
            (home / "attempts").write_text("")
        elif made == "lock":
            (home / "locks/loop_1.lock").write_text("")
        else:
            (home / "configs").symlink_to(evil)
    before = sorted(public.rglob("*"))
    said = as_nobody(project)
    assert ".autoloop" in said
    assert "nowhere" in said if made == "link to nowhere" else "belongs to root" in said
    assert said.count("\n") == 1
    assert sorted(public.rglob("*")) == before


def test_a_link_to_a_folder_of_ours_is_used(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "project/.autoloop").symlink_to(tmp_path / "disk")
    filled(tmp_path / "project", 1)
    with Store.open(tmp_path / "project") as store:
        assert len(store.runs(1)) == 1


def test_a_folder_that_was_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    home = filled(tmp_path, 1).parent
    home.chmod(0o777)
    Store.open(tmp_path).close()
    assert home.stat().st_mode & 0o777 == 0o700


# ------------------------------------------------------------------------------------------------------------ killed


WRITER = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
import msgspec
from autoloop.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    while True:
        with store.transaction():  # two rows that always say the same
            loop = store.loop(1)
            store.put_loop(msgspec.structs.replace(loop, winner=str(int(loop.winner or 0) + 1)))
            store.put_loop(msgspec.structs.replace(store.loop(2), winner=str(int(loop.winner or 0) + 1)))
            store.add_event(1, "note", "x" * 3000)
"""


def killed_writers(folder: Path, seed: int, times: int) -> None:
    chance = random.Random(seed)
    with Store.open(folder, create=True) as store:
        for number in (1, 2):
            spec = LoopSpec(configs=[])
            store.put_loop(
                Loop(id=number, name=f"l{number}", state=LoopState.ACTIVE, spec=spec, output_dir="/o", created_at=1.0)
            )
    before = 0
    for _ in range(times):
        argv = [sys.executable, "-c", WRITER, str(folder), CORE]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
        with Store.open(folder) as store:
            one, two = store.loop(1).winner or "0", store.loop(2).winner or "0"
            assert one == two
            assert int(one) == len(store.events(1, limit=10**9)) >= before
            before = int(one)
            assert_intact(store)
    assert before


def test_a_writer_killed_at_random_instants_leaves_whole_transactions(tmp_path: Path) -> None:
    killed_writers(tmp_path, seed=1, times=5)
