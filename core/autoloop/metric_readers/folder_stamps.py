"""Detects whether a folder may have changed since it was listed, even if a file server's clock differs from ours."""

from __future__ import annotations

import os
import stat
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

SETTLED = 2.0
"""Seconds for which a folder's timestamp must be unchanged before it reliably shows the next change."""

Stamp = tuple[int, ...] | None


@dataclass(frozen=True)
class FolderStamp:
    """A folder's stamp when it was listed, and since when it has had it; both times are monotonic."""

    stamp: Stamp
    since: float
    listed: float

    def is_now(self, stamp: Stamp) -> bool:
        return stamp is not None and stamp == self.stamp and self.listed - self.since >= SETTLED


def seen_again(before: FolderStamp | None, stamp: Stamp, now: float) -> FolderStamp:
    """Return the record for a folder that is listed again at `now`."""
    return FolderStamp(stamp, before.since if before is not None and before.stamp == stamp else now, now)


def stamp_of(folder: Path) -> Stamp:
    """Return the stamp of a folder: empty if there is no such folder, None if that cannot be determined."""
    try:
        state = os.stat(folder)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_ctime_ns


def nearest_listed(path: Path, folders: Container[Path]) -> Path | None:
    """Return the innermost of the listed folders that contains `path`."""
    return next((folder for folder in path.parents if folder in folders), None)


def is_plain_file(path: Path) -> bool:
    """Whether it is a regular file and not a link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False
