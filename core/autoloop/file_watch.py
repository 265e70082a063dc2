"""Detects changed folders by kernel events, and by polling if there are none.

The kernel does not report changes by other machines on a network or FUSE file system, it watches a limited number of
folders, and an overloaded queue drops events. So a due folder is a hint to read now, and a folder that is not due may have
changed as well: folders that cannot be watched are due every BLIND seconds, all others every SWEEP seconds.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

BLIND = 0.2
"""Seconds between two polls of folders that cannot be watched."""
SWEEP = 5.0
"""Seconds between two polls of all folders."""
SETTLE = 1.0
"""Minimum seconds between two starts of the watcher. Folders added in between are polled as if they could not be watched, so
that runs shorter than a second do not each cost a restart."""
RETRY = 60.0
"""Seconds until watching is retried after it failed."""
STEP, GATHER = 20, 40
"""Milliseconds without another event after which events are reported, and the maximum if more events follow."""
PAUSE = 0.15
"""Minimum seconds between two reports. Changes in between are reported together, so a file that is written ten times per
second is read six times."""
MOST_FILES = 64
"""Changed files of one folder that are reported by name. If more change, only the folder is reported."""

_MODIFIED, _DELETED = 2, 3
"""Of watchfiles.Change."""

Changes = frozenset[str] | None
"""The files that were written to, if nothing was added, removed or renamed; None if anything may have changed."""
_REMOTE = frozenset(
    ["9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf"]
)


class FileWatch:
    """Watches folders recursively on behalf of keys chosen by the owner. One thread owns it.

    `fileno` becomes readable when something has changed; `due` returns the keys. `say` is called with one sentence when
    folders cannot be watched; these are polled instead.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._said: set[str] = set()
        self._folders: dict[str, frozenset[str]] = {}
        self._keys: dict[str, list[str]] = {}
        """The keys that follow each folder."""
        self._watched: dict[str, tuple[int, int]] = {}
        """Device and inode of the watched folder by path."""
        self._new: set[str] = set()
        self._refused_until = self._settled_at = 0.0
        self._blind_at = self._swept_at = -SWEEP
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._watcher: _Watcher | None = None

    def fileno(self) -> int:
        return self._wake

    def follow(self, folders: Mapping[str, Iterable[Path]]) -> None:
        """Set the folders of all keys; they need not exist yet."""
        before = self._folders
        self._folders = {key: frozenset(os.path.abspath(path) for path in paths) for key, paths in folders.items()}
        self._new = {key for key in self._folders if self._folders[key] != before.get(key)}
        self._keys = {}
        for key, paths in self._folders.items():
            for path in paths:
                self._keys.setdefault(path, []).append(key)
        self._blind_at = -BLIND

    def due(self) -> dict[str, Changes]:
        """Return the keys with folders to read now, each with what has changed there."""
        found: dict[str, Changes] = {}
        with suppress(BlockingIOError):  # even without a watcher: the last one may have written after its changes were taken
            os.eventfd_read(self._wake)
        for folder, changes in (self._watcher.taken() if self._watcher is not None else {}).items():
            for key in self._keys.get(folder, ()):
                found[key] = _both(found[key], changes) if key in found else changes
        found |= dict.fromkeys(self._new)
        self._new.clear()
        now = time.monotonic()
        if now - self._blind_at < BLIND:
            return found
        self._blind_at = now
        unwatched = self._keys.keys() - self._watched.keys()
        lost = self._watcher is not None and self._watcher.lost
        there = {path for path in unwatched if os.path.isdir(path)}
        come = now >= self._settled_at and not there <= self._unwatchable(there)
        if lost or come or now - self._swept_at >= SWEEP:
            self._watch_all(now)
        if now - self._swept_at >= SWEEP:
            self._swept_at = now
            return dict.fromkeys(self._folders)
        return found | dict.fromkeys(key for key, folders in self._folders.items() if not folders <= self._watched.keys())

    def close(self) -> None:
        """End the thread. The object must not be used afterwards."""
        if self._watcher is not None:
            self._watcher.stop(join=True)
            self._watcher = None
        os.close(self._wake)

    def _watch_all(self, now: float) -> None:
        """Watch every existing folder; restart the watcher if one has appeared, disappeared or been replaced."""
        lost = self._watcher is not None and self._watcher.lost
        failure = self._watcher.failure if self._watcher is not None else None
        if now < self._refused_until or (now < self._settled_at and (failure or not lost)):
            return
        found = {path: _identity(path) for path in self._keys}
        out = self._unwatchable({path for path, it in found.items() if it is None or it != self._watched.get(path)})
        there = {path: identity for path, identity in found.items() if identity is not None and path not in out}
        if there == self._watched and not lost:
            return
        if failure:
            self._tell(
                f"watching files of runs failed ({failure}) and is started again each time, at most every {SETTLE:.0f} s",
                "failure",
            )
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        self._watched = {}
        if not there:
            return
        try:
            # Imported here because it is slow, and only processes that follow runs need it.
            from watchfiles._rust_notify import RustNotify

            notify = RustNotify(sorted(there), False, False, 300, True, True)
        except (OSError, ValueError, RuntimeError, ImportError) as problem:
            self._refused_until = now + RETRY
            self._tell(f"cannot watch files of runs ({problem}); polling them {1 / BLIND:.0f} times a second instead")
            return
        self._watcher = _Watcher(notify, frozenset(there), self._wake)
        self._watched = there
        self._settled_at = now + SETTLE
        self._swept_at = -SWEEP  # changes before the start of watching were not reported

    def _unwatchable(self, paths: set[str]) -> set[str]:
        """Return the paths that are not UTF-8, which watchfiles refuses, and those on file systems that other machines or
        programs may change without kernel events."""
        if not paths:
            return set()
        nameless = {path for path in paths if not _is_utf_8(path)}
        if nameless:
            self._tell(
                f"folders whose paths are not UTF-8 cannot be watched; polling runs there {1 / BLIND:.0f} times a second"
            )
        mounts = mount_points()
        found = {path: kind for path in paths if (kind := file_system(path, mounts)) in _REMOTE or kind.startswith("fuse")}
        for kind in sorted(set(found.values())):
            self._tell(
                f"file systems of type {kind} do not report changes; polling runs there {1 / BLIND:.0f} times a second"
            )
        return nameless | set(found)

    def _tell(self, sentence: str, topic: str = "") -> None:
        """Say a sentence once; of a `topic`, only its first."""
        if (topic or sentence) not in self._said:
            self._said.add(topic or sentence)
            self._say(sentence)


class _Watcher:
    """A thread that collects what has changed in `folders`."""

    def __init__(self, notify: RustNotify, folders: frozenset[str], wake: int) -> None:
        self._notify = notify
        self._folders = folders
        self._real: dict[str, list[str]] = {}
        """The folders by their paths without links."""
        for folder in folders:
            self._real.setdefault(os.path.realpath(folder), []).append(folder)
        self._parents: dict[str, str] = {}
        """Paths of changed files' folders without links, until anything but a write is reported."""
        self._wake = wake
        self._changed: dict[str, Changes] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._removed = False
        self.failure: str | None = None
        """Why the thread has failed."""
        self._thread = threading.Thread(target=self._run, name="file-watch", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether a folder is no longer watched, because it was removed or the thread has failed."""
        return self._removed or not self._thread.is_alive()

    def taken(self) -> dict[str, Changes]:
        """Return the folders that have changed since the last call, each with its changes."""
        with self._lock:
            changed, self._changed = self._changed, {}
        return changed

    def stop(self, *, join: bool = False) -> None:
        with self._lock:
            self._over.set()
        if join:
            self._thread.join(2.0)

    def _run(self) -> None:
        try:
            with self._notify:
                while True:
                    events = self._notify.watch(GATHER, STEP, 5000, self._over)
                    if events == "stop":
                        return
                    if isinstance(events, set):
                        self._tell(self._by_folder(events))
                        self._over.wait(PAUSE)
        except Exception as problem:  # such as a file name that is not UTF-8: the owner starts another thread
            self.failure = str(problem) or type(problem).__name__

    def _by_folder(self, events: set[tuple[int, str]]) -> dict[str, Changes]:
        found: dict[str, set[str]] = {}
        other: set[str] = set()
        if any(kind != _MODIFIED for kind, _ in events):
            self._parents.clear()
        for kind, path in events:
            for folder, name in self._places(path):
                found.setdefault(folder, set()).add(name)
                self._removed |= kind == _DELETED and name == folder
                if kind != _MODIFIED:
                    other.add(folder)
        return {folder: None if folder in other else _few(paths) for folder, paths in found.items()}

    def _tell(self, changed: dict[str, Changes]) -> None:
        with self._lock:
            if changed and not self._over.is_set():  # once it is over, the descriptor may belong to another file
                for folder, changes in changed.items():
                    before = self._changed.get(folder, frozenset())
                    self._changed[folder] = _both(before, changes)
                os.eventfd_write(self._wake, 1)

    def _places(self, path: str) -> set[tuple[str, str]]:
        """Return all folders that contain the file, each with the file's path in it.

        Links are followed, and a file that can be reached by several paths is reported under one of them only.
        """
        parent, _, name = path.rpartition("/")
        real = self._parents.get(parent)
        if real is None:
            real = self._parents[parent] = os.path.realpath(parent or "/")
        real = os.path.join(real, name)
        found = {(folder, path) for folder in _upwards(path) if folder in self._folders}
        for above in _upwards(real):
            found |= {(folder, folder + real[len(above) :]) for folder in self._real.get(above, ())}
        return found


def _upwards(path: str) -> Iterator[str]:
    """Yield the path and all folders around it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _both(one: Changes, other: Changes) -> Changes:
    return None if one is None or other is None else _few(one | other)


def _few(paths: Set[str]) -> Changes:
    return frozenset(paths) if len(paths) <= MOST_FILES else None


def _is_utf_8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _identity(path: str) -> tuple[int, int] | None:
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return (state.st_dev, state.st_ino) if os.path.isdir(path) else None


def mount_points() -> list[tuple[str, str]]:
    """Return the mount points of this process and their file system types, innermost first."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split(" ") for line in lines]
    found = [(each[4].replace("\\040", " "), each[each.index("-") + 1]) for each in fields if "-" in each and len(each) > 6]
    return sorted(found, key=lambda mount: len(mount[0]), reverse=True)


def file_system(path: str, mounts: list[tuple[str, str]]) -> str:
    """Return the type of the file system that contains `path`; empty if unknown."""
    real = os.path.realpath(path)
    return next((kind for point, kind in mounts if (real + "/").startswith(point.rstrip("/") + "/")), "")
