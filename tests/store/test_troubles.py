"""A database that is damaged, full, in use elsewhere, or whose writer was killed: one sentence each, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import autoloop
import pytest
from autoloop.engine.driver.lock import EngineLock
from autoloop.model import UserError
from autoloop.protocol import Pause
from autoloop.store import Places, Store, StoreCorruptError, StoreUnavailableError
from autoloop.store.trouble import translated

from tests.store.killing import killed_writers
from tests.store.rows import a_loop, a_run, filled
from tests.support.databases import assert_intact, connections
from tests.support.senders import person

CORE = str(Path(autoloop.__file__).parents[1])


def damaged(path: Path) -> None:
    """Overwrite every page but the first with garbage: the database opens, but fails when it is read."""
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
            lambda: store.send(1, Pause(), person("b")),
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
    with pytest.raises(UserError, match="An engine is still using it"):
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
        with pytest.raises(UserError, match="An engine is still using it"):
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
        code = (  # in another process: this one already has the files open
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
            assert "was missing" in (store.notice or "")
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


def test_a_writer_killed_at_random_instants_leaves_whole_transactions(tmp_path: Path) -> None:
    killed_writers(tmp_path, seed=1, times=5)
