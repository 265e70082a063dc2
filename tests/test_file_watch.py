"""Changes of files are reported at once; without reports, everything is polled."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from autoloop import file_watch
from autoloop.file_watch import FileWatch
from watchfiles._rust_notify import RustNotify

from tests.support.waiting import PATIENCE, eventually

KERNEL_WATCH = "watchfiles._rust_notify.RustNotify"
"""The class that asks the kernel."""


class Watching(FileWatch):
    """A watch that does not poll once it has begun, so that everything due was reported by the kernel."""

    def __init__(self) -> None:
        self.said: list[str] = []
        super().__init__(self.said.append)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    monkeypatch.setattr(file_watch, "SWEEP", 1e6)
    watching = Watching()
    yield watching
    watching.close()
    eventually(lambda: not any(thread.name == "file-watch" for thread in threading.enumerate()), "the end of its threads")


def followed(watch: Watching, tmp_path: Path, *names: str) -> dict[str, Path]:
    """Return watched folders, by key; everything due at first has been consumed."""
    folders = {name: tmp_path / name for name in names}
    for folder in folders.values():
        folder.mkdir()
    watch.follow({name: (folder,) for name, folder in folders.items()})
    assert set(watch.due()) == set(names), "the first look"
    for folder in folders.values():
        until_told(watch, folder)
    return folders


def until_told(watch: Watching, folder: Path) -> None:
    """Wait until the kernel reports writes in the folder; everything due by then has been consumed."""

    def told() -> bool:
        watch.due()
        (folder / "written").write_text("x")
        return bool(select.select([watch], [], [], 0.5)[0])

    eventually(told, f"news of {folder}")
    eventually(lambda: not watch.due(), "silence")


def until_named(watch: Watching, path: Path, key: str) -> None:
    """Write until a report wakes the owner and names only this key: reports on earlier writes may arrive late."""

    def named() -> bool:
        with path.open("a") as file:
            file.write("x")
        assert select.select([watch], [], [], PATIENCE)[0]
        return set(watch.due()) == {key}

    eventually(named, f"news of {path} alone")


def test_a_write_wakes_the_owner_and_names_the_key_of_its_folder(watch: Watching, tmp_path: Path) -> None:
    folders = followed(watch, tmp_path, "a", "b")
    until_named(watch, folders["b"] / "log.txt", "b")
    deep = folders["a"] / "wandb" / "run" / "files"
    deep.mkdir(parents=True)
    until_named(watch, deep / "row", "a")
    eventually(lambda: not watch.due(), "silence")
    until_named(watch, deep / "row", "a")  # a growing file in a folder that was created later
    assert watch.said == []


def test_files_that_are_written_to_are_named_and_whatever_else_happens_is_not(watch: Watching, tmp_path: Path) -> None:
    folder = followed(watch, tmp_path, "a")["a"]
    rows, others = folder / "rows", [folder / f"other{number}" for number in range(file_watch.MOST_FILES + 1)]
    for path in (rows, *others):
        path.touch()
    eventually(lambda: watch.due() == {"a": None}, "news of the files")
    eventually(lambda: not watch.due(), "silence")

    def after(happens: Callable[[], object], changes: file_watch.Changes) -> None:
        def due() -> bool:
            happens()
            assert select.select([watch], [], [], PATIENCE)[0]
            return watch.due() == {"a": changes}

        eventually(due, f"{changes}")
        eventually(lambda: not watch.due(), "silence")

    after(lambda: write_to(rows), frozenset([str(rows)]))
    after(lambda: write_to(rows, others[0]), frozenset([str(rows), str(others[0])]))
    after(lambda: write_to(*others), None)
    after(lambda: write_to(rows, folder / f"new{time.monotonic_ns()}"), None)
    after(lambda: (folder / "moved").rename(rows) if (folder / "moved").exists() else rows.rename(folder / "moved"), None)


def test_a_write_is_told_to_all_whose_folders_contain_the_file_whatever_links_lead_to_it(
    watch: Watching, tmp_path: Path
) -> None:
    folders = {name: tmp_path / "runs" / name for name in ("link1", "link2", "run1", "run2")} | {"outer": tmp_path / "runs"}
    rows = folders["run1"] / "wandb" / "rows"
    rows.parent.mkdir(parents=True)
    rows.touch()
    folders["run2"].mkdir()
    for link in (folders["link1"], folders["link2"], folders["run2"] / "base"):
        link.symlink_to(folders["run1"])
    watch.follow({name: (folder,) for name, folder in folders.items()} | {"inner": (rows.parent,)})
    assert set(watch.due()) == {*folders, "inner"}
    names = {name: folders[name] / "wandb" / "rows" for name in ("link1", "link2", "run1")}
    names |= {"outer": rows, "inner": rows}

    def told() -> bool:
        write_to(rows)
        select.select([watch], [], [], PATIENCE)
        due = watch.due()
        return all(str(path) in (due.get(name) or ()) for name, path in names.items())

    eventually(told, "the write, told to all")
    eventually(lambda: not watch.due(), "silence")
    shutil.rmtree(folders["run1"])
    eventually(lambda: {"run1", "outer"} <= set(watch.due()), "the end of a folder")


def write_to(*paths: Path) -> None:
    for path in paths:
        with path.open("a") as file:
            file.write("x")


def test_a_folder_that_comes_later_or_is_replaced_is_watched_then(watch: Watching, tmp_path: Path) -> None:
    late = tmp_path / "late"
    watch.follow({"late": (late,)})
    assert set(eventually(watch.due)) == {"late"}, "what is not watched is looked at"
    late.mkdir()
    until_told(watch, late)
    late.rename(tmp_path / "away")
    late.mkdir()
    (late / "log.txt").write_text("x")
    eventually(lambda: set(watch.due()) == {"late"}, "the new folder")
    eventually(lambda: not watch.due(), "silence")
    (late / "log.txt").write_text("xy")
    eventually(lambda: set(watch.due()) == {"late"}, "what is written in the new folder")


def test_where_watching_is_refused_everything_is_looked_at_and_that_is_said_once(
    watch: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(KERNEL_WATCH, refuse)
    monkeypatch.setattr(file_watch, "RETRY", 0.0)
    watch.follow({"a": (tmp_path,), "b": (tmp_path / "b",)})
    for _ in range(3):
        assert set(eventually(watch.due)) == {"a", "b"}
    assert len(watch.said) == 1
    assert "watch limit reached" in watch.said[0]
    assert "polling them 5 times a second" in watch.said[0]


@pytest.mark.parametrize("ends", ["refused", "gone"])
def test_a_change_that_is_reported_while_the_last_watch_ends_does_not_wake_the_owner_for_ever(
    watch: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("OS file watch limit reached.")

    def mounts_while_a_folder_changes() -> list[tuple[str, str]]:
        if not reported:
            (folders["a"] / "log.txt").write_text("x")
            reported.extend(select.select([watch], [], [], PATIENCE)[0])
        if ends == "gone":
            shutil.rmtree(tmp_path, ignore_errors=True)
        return mounts

    monkeypatch.setattr(file_watch, "SETTLE", 0.0)
    folders = followed(watch, tmp_path, "a")
    folders["b"] = tmp_path / "b"
    folders["b"].mkdir()
    reported: list[object] = []
    mounts = file_watch.mount_points()
    monkeypatch.setattr(KERNEL_WATCH, refuse)
    monkeypatch.setattr(file_watch, "mount_points", mounts_while_a_folder_changes)
    watch.follow({name: (folder,) for name, folder in folders.items()})
    eventually(lambda: watch.due() and reported, "the report")
    watch.due()
    assert not select.select([watch], [], [], 0)[0]


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "fuse"])
def test_file_systems_that_tell_nothing_are_looked_at(
    watch: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    monkeypatch.setattr(file_watch, "mount_points", lambda: [(str(tmp_path / "far"), kind), ("/", "ext4")])
    watch.follow({"far": (tmp_path / "far" / "run",), "near": (tmp_path / "near",)})
    assert set(eventually(watch.due)) == {"far", "near"}
    eventually(lambda: set(watch.due()) == {"far"}, "only what is not watched")
    assert watch.said == [f"file systems of type {kind} do not report changes; polling runs there 5 times a second"]


class Fragile:
    """Asks the kernel, and fails once, at the first change after it is `broken`."""

    broken = threading.Event()

    def __init__(self, *options: Any) -> None:
        self.real = RustNotify(*options)

    def __enter__(self) -> None:
        self.real.__enter__()

    def __exit__(self, *why: Any) -> None:
        self.real.__exit__(*why)

    def watch(self, *options: Any) -> Any:
        changes = self.real.watch(*options)
        if self.broken.is_set():
            self.broken.clear()
            raise RuntimeError("the queue of changes is lost")
        return changes


def test_a_watcher_that_fails_is_replaced(watch: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KERNEL_WATCH, Fragile)
    folders = followed(watch, tmp_path, "a")
    Fragile.broken.set()
    (folders["a"] / "missed").write_text("x")
    eventually(lambda: not Fragile.broken.is_set(), "the failure")
    eventually(lambda: set(watch.due()) == {"a"}, "a look at what may have been missed")
    until_told(watch, folders["a"])
    assert watch.said == [
        "watching files of runs failed (the queue of changes is lost) and is started again each time, at most every 1 s"
    ]


def test_names_that_are_not_utf_8_cost_only_the_folders_that_have_them(
    watch: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folders = {"a": tmp_path / "a", "latin": latin}
    for folder in folders.values():
        folder.mkdir()
    watch.follow({name: (folder,) for name, folder in folders.items()})
    assert set(watch.due()) == {"a", "latin"}
    eventually(lambda: set(watch.due()) == {"latin"}, "only what cannot be watched")
    watch.follow({"a": (folders["a"],)})
    assert watch.said == ["folders whose paths are not UTF-8 cannot be watched; polling runs there 5 times a second"]
    called = 0.0
    starts: list[tuple[float, float]] = []
    """When `due` was called, and when it started a watch."""

    def start(*options: Any) -> RustNotify:
        starts.append((called, time.monotonic()))
        return RustNotify(*options)

    monkeypatch.setattr(KERNEL_WATCH, start)
    file = Path(os.fsdecode(os.fsencode(folders["a"]) + b"/caf\xe9.log"))
    looks = 0

    def written_and_started_again() -> bool:
        nonlocal looks, called
        with file.open("a") as log:
            log.write("x")
        called = time.monotonic()
        looks += watch.due() == {"a": None}
        return len(starts) == 3

    eventually(written_and_started_again, "three starts")
    assert all(later[1] - sooner[0] >= file_watch.SETTLE for sooner, later in pairwise(starts))
    assert looks >= 3
    assert len(watch.said) == 2
    file.unlink()
    until_told(watch, folders["a"])


def test_a_process_ends_although_its_watch_was_not_closed_and_its_children_have_nothing_of_it(tmp_path: Path) -> None:
    program = """
import os, subprocess, sys
from pathlib import Path
from autoloop.file_watch import FileWatch
watch = FileWatch(print)
watch.follow({"a": (Path(sys.argv[1]),)})
watch.due()
inherited = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True).stdout
assert "inotify" not in inherited and "eventfd" not in inherited, inherited
child = os.fork()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("done", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_mount_points_with_spaces_and_folders_inside_them_are_told_apart() -> None:
    mounts = file_watch.mount_points()
    assert file_watch.file_system("/proc/self", mounts) == "proc"
    assert file_watch.file_system(os.sep, mounts) == next(kind for point, kind in mounts if point == "/")
    assert file_watch.file_system("/mnt/a b/c", [("/mnt/a b", "nfs"), ("/mnt", "ext4")]) == "nfs"
    assert file_watch.file_system("/mnt/abc", [("/mnt/ab", "nfs"), ("/", "ext4")]) == "ext4"
