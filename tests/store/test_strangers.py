"""A project driven from another machine or prepared by another user is refused, naming them, and left unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import autoloop
import msgspec
import pytest
from autoloop.engine.driver.lock import EngineLock
from autoloop.model import UserError
from autoloop.runners import procfs
from autoloop.store import Holder, Places, Store

from tests.store.rows import filled

CORE = str(Path(autoloop.__file__).parents[1])


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
        Holder(1, os.uname().nodename, 1.0, "an earlier boot"),  # before this machine was restarted
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
    """Return the error for an unprivileged user who opens the project."""
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
    else:  # the folder belongs to the victim, and others could write to it
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
    assert "broken link" in said if made == "link to nowhere" else "belongs to root" in said
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
