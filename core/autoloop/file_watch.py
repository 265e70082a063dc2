"""Which folders have changed: told by the kernel, and looked at now and then where it tells nothing.

A file of a network or FUSE file system may be written by another machine, of which this kernel hears nothing; a kernel
watches only so many folders; an overloaded queue drops events. So what is due is a hint to read now, never a promise
that nothing else has changed: folders that cannot be watched are due every BLIND seconds, all others every SWEEP.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

BLIND = 0.2
"""Seconds between two looks at what cannot be watched."""
SWEEP = 5.0
"""Seconds between two looks at everything."""
SETTLE = 1.0
"""Seconds from one beginning of watching to the next: folders that come meanwhile are looked at as if they could not be
watched, so that runs of less than a second cost no watch each."""
RETRY = 60.0
"""Seconds until watching is tried again after it was refused."""
STEP, GATHER = 5, 50
"""Milliseconds without a further event until events are told, and at most with further events."""

_DELETED = 3
"""watchfiles.Change.deleted"""
_REMOTE = frozenset(
    ["9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf"]
)


class FileWatch:
    """Watches folders, with all that is in them, for keys of the owner. One thread owns it.

    `fileno` becomes readable when something has changed; `due` says what. `say` gets one sentence whenever folders
    cannot be watched. Where watching is not possible everything still works by looking.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._said: set[str] = set()
        self._folders: dict[str, frozenset[str]] = {}
        self._watched: dict[str, tuple[int, int]] = {}
        """By path: the identity of the folder that is watched there."""
        self._new: set[str] = set()
        self._refused_until = self._settled_at = 0.0
        self._blind_at = self._swept_at = -SWEEP
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._watcher: _Watcher | None = None

    def fileno(self) -> int:
        return self._wake

    def follow(self, folders: Mapping[str, Iterable[Path]]) -> None:
        """From now on these folders count for these keys; they need not exist yet."""
        before = self._folders
        self._folders = {key: frozenset(os.path.abspath(path) for path in paths) for key, paths in folders.items()}
        self._new = {key for key in self._folders if self._folders[key] != before.get(key)}
        self._blind_at = -BLIND

    def due(self) -> set[str]:
        """The keys whose folders are to be looked at now."""
        changed = self._watcher.taken() if self._watcher is not None else set()
        found = {key for key, folders in self._folders.items() if key in self._new or not changed.isdisjoint(folders)}
        self._new.clear()
        now = time.monotonic()
        if now - self._blind_at < BLIND:
            return found
        self._blind_at = now
        unwatched = {path for folders in self._folders.values() for path in folders} - self._watched.keys()
        lost = self._watcher is not None and self._watcher.lost
        there = {path for path in unwatched if os.path.isdir(path)}
        come = now >= self._settled_at and not there <= self._remote(there)
        if lost or come or now - self._swept_at >= SWEEP:
            self._watch_all(now)
        if now - self._swept_at >= SWEEP:
            self._swept_at = now
            return set(self._folders)
        return found | {key for key, folders in self._folders.items() if not folders <= self._watched.keys()}

    def close(self) -> None:
        """Ends the thread; nothing may be called afterwards."""
        if self._watcher is not None:
            self._watcher.stop(join=True)
            self._watcher = None
        os.close(self._wake)

    def _watch_all(self, now: float) -> None:
        """Watches every folder that is there, anew if one has come, gone or been replaced."""
        lost = self._watcher is not None and self._watcher.lost
        if now < self._refused_until or (now < self._settled_at and not lost):
            return
        wanted = {path for folders in self._folders.values() for path in folders}
        there = {path: identity for path in wanted - self._remote(wanted) if (identity := _identity(path)) is not None}
        if there == self._watched and not lost:
            return
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        self._watched = {}
        if not there:
            return
        try:
            # Loaded here: it takes a while, and only what follows runs needs it.
            from watchfiles._rust_notify import RustNotify

            notify = RustNotify(sorted(there), False, False, 300, True, True)
        except (OSError, ValueError, RuntimeError, ImportError) as problem:
            self._refused_until = now + RETRY
            self._tell(f"cannot watch files of runs ({problem}); polling them {1 / BLIND:.0f} times a second instead")
            return
        self._watcher = _Watcher(notify, frozenset(there), self._wake)
        self._watched = there
        self._settled_at = now + SETTLE
        self._swept_at = -SWEEP  # what changed before the watch began was not told

    def _remote(self, paths: set[str]) -> set[str]:
        """Those on file systems that other machines, or programs, may write to unseen."""
        if not paths:
            return set()
        mounts = mount_points()
        found = {path: kind for path in paths if (kind := file_system(path, mounts)) in _REMOTE or kind.startswith("fuse")}
        for kind in sorted(set(found.values())):
            self._tell(
                f"file systems of type {kind} do not report changes; polling runs there {1 / BLIND:.0f} times a second"
            )
        return set(found)

    def _tell(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


class _Watcher:
    """A thread that gathers which of `folders` have changed."""

    def __init__(self, notify: RustNotify, folders: frozenset[str], wake: int) -> None:
        self._notify = notify
        self._folders = folders
        self._wake = wake
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._removed = False
        self._thread = threading.Thread(target=self._run, name="file-watch", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether a folder is no longer watched, because it was removed or the thread has failed."""
        return self._removed or not self._thread.is_alive()

    def taken(self) -> set[str]:
        """The folders that have changed since last asked."""
        with self._lock:
            changed, self._changed = self._changed, set()
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
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
                        self._removed |= any(kind == _DELETED and path in self._folders for kind, path in events)
                        self._tell({folder for _, path in events if (folder := self._folder(path)) is not None})
        except Exception:  # whatever it is, the owner sees that the thread has ended, and starts another
            return

    def _tell(self, changed: set[str]) -> None:
        with self._lock:
            if changed and not self._over.is_set():  # once it is over, the descriptor may be another file's
                self._changed |= changed
                os.eventfd_write(self._wake, 1)

    def _folder(self, path: str) -> str | None:
        while path not in self._folders:
            path, slash, _ = path.rpartition("/")
            if not slash:
                return None
        return path


def _identity(path: str) -> tuple[int, int] | None:
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return (state.st_dev, state.st_ino) if os.path.isdir(path) else None


def mount_points() -> list[tuple[str, str]]:
    """The mount points of this process and the types of their file systems, the innermost first."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split(" ") for line in lines]
    found = [(each[4].replace("\\040", " "), each[each.index("-") + 1]) for each in fields if "-" in each and len(each) > 6]
    return sorted(found, key=lambda mount: len(mount[0]), reverse=True)


def file_system(path: str, mounts: list[tuple[str, str]]) -> str:
    """The type of the file system that holds `path`; empty if no mount point does."""
    real = os.path.realpath(path)
    return next((kind for point, kind in mounts if (real + "/").startswith(point.rstrip("/") + "/")), "")
