"""Whether a folder can have changed since it was listed, without trusting that a file server's clock agrees with ours."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SETTLED = 2.0
"""Seconds that a folder's time stamp must have stayed the same before it can be relied on to show the next change."""

Stamp = tuple[int, ...] | None


@dataclass(frozen=True)
class Seen:
    """How a folder was when it was listed, and since when it has been so, both by the monotonic clock."""

    stamp: Stamp
    since: float
    listed: float

    def is_now(self, stamp: Stamp) -> bool:
        return stamp is not None and stamp == self.stamp and self.listed - self.since >= SETTLED


def seen_again(before: Seen | None, stamp: Stamp, now: float) -> Seen:
    """The folder is listed again at `now`."""
    return Seen(stamp, before.since if before is not None and before.stamp == stamp else now, now)


def stamp_of(folder: Path) -> Stamp:
    """Empty where there is no such folder; None if that cannot be told."""
    try:
        state = os.stat(folder)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_ctime_ns
