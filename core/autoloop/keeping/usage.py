"""Disk usage below folders. Links are not followed, and a file with several names counts once."""

from __future__ import annotations

import os
from typing import NamedTuple

BLOCK = 512
"""Bytes per block of `st_blocks`, independent of the file system's block size."""


class Usage(NamedTuple):
    """`size`: bytes on disk; `files`: number of files."""

    size: int = 0
    files: int = 0

    def __add__(self, other: object) -> Usage:
        return Usage(self.size + other.size, self.files + other.files) if isinstance(other, Usage) else NotImplemented


def measure(path: str | os.PathLike[str], seen: set[tuple[int, int]] | None = None) -> Usage:
    """The disk usage of a file or folder; zero if it does not exist. Unreadable folders are ignored.

    `seen`: the (device, inode) of hard-linked files already counted; they are not counted again.
    """
    seen = set() if seen is None else seen
    size = files = 0
    waiting: list[str] = []
    try:
        state = os.lstat(path)
        if not os.path.isdir(path) or os.path.islink(path):
            return Usage(state.st_blocks * BLOCK, 1)
        waiting.append(os.fspath(path))
    except OSError:
        return Usage()
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        state, folder = entry.stat(follow_symlinks=False), entry.is_dir(follow_symlinks=False)
                    except OSError:
                        continue
                    if folder:
                        waiting.append(entry.path)
                    elif state.st_nlink > 1:
                        if (state.st_dev, state.st_ino) in seen:
                            continue
                        seen.add((state.st_dev, state.st_ino))
                    size += state.st_blocks * BLOCK
                    files += not folder
        except OSError:
            continue
    return Usage(size, files)
