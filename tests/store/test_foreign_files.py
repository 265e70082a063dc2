"""Files that are not a store of this version are refused, never changed, and set aside only for a new loop."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from autoloop.model import (
    UserError,
)
from autoloop.store import SCHEMA_VERSION, Store

from tests.store.rows import a_loop


def database(folder: Path) -> Path:
    home = folder / ".autoloop"
    home.mkdir()
    return home / "autoloop.db"


def refused(folder: Path, words: str, *, ways: tuple[bool, ...] = (False,)) -> None:
    """Assert that opening fails with one sentence that names the file, and does not change it."""
    path = folder / ".autoloop" / "autoloop.db"
    before, names = path.read_bytes(), sorted(path.parent.iterdir())
    for create in ways:
        with pytest.raises(UserError, match=words) as caught:
            Store.open(folder, create=create)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == names


def set_aside(folder: Path) -> None:
    """Assert that opening the store for a new loop creates a file, renames the old one, and reports that."""
    home = folder / ".autoloop"
    before = (home / "autoloop.db").read_bytes()
    with Store.open(folder, create=True) as store:
        assert store.notice is not None
        assert "\n" not in store.notice
        (aside,) = (path for path in home.iterdir() if "unreadable" in path.name)
        assert aside.name in store.notice
        assert aside.read_bytes() == before
        store.put_loop(a_loop())
    with Store.open(folder, create=True) as store:
        assert store.notice is None
        assert store.loops() == [a_loop()]


@pytest.mark.parametrize("pragmas", [(), ("user_version = 33",), ("application_id = 7", "user_version = 33")])
def test_a_database_of_another_program_is_refused_to_readers_and_set_aside_for_a_new_loop(
    tmp_path: Path, pragmas: tuple[str, ...]
) -> None:
    foreign = sqlite3.connect(database(tmp_path))
    foreign.execute("CREATE TABLE bookmarks (url TEXT)")
    for pragma in pragmas:
        foreign.execute(f"PRAGMA {pragma}")
    foreign.commit()
    foreign.close()
    refused(tmp_path, "another program")
    set_aside(tmp_path)


def test_a_database_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        store.put_loop(a_loop())
    newer = sqlite3.connect(tmp_path / ".autoloop" / "autoloop.db")
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    refused(tmp_path, "newer", ways=(False, True))


@pytest.mark.parametrize("content", [b"this is a text file\n" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_to_readers_and_set_aside_for_a_new_loop(
    tmp_path: Path, content: bytes
) -> None:
    database(tmp_path).write_bytes(content)
    refused(tmp_path, "cannot be used")
    set_aside(tmp_path)


def test_a_database_whose_head_was_torn_off_is_refused_to_readers_and_set_aside_for_a_new_loop(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        store.put_loop(a_loop())
    path = tmp_path / ".autoloop" / "autoloop.db"
    path.write_bytes(path.read_bytes()[4096:])
    refused(tmp_path, "cannot be used")
    set_aside(tmp_path)
