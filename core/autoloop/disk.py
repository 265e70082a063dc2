"""Files replaced whole, never torn, never lost; and the room that is left for them."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """For reading `path` and replacing it: no engine of another loop does the same at once, or its lines would be lost.

    The folder is locked; where the file system cannot do that, nothing is. What an engine that was killed left of a
    half-written file is cleared away. OSError where there is and can be no folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
            for torn in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
                torn.unlink(missing_ok=True)
        yield
    finally:
        os.close(folder)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace `path` in one step: readers see the old file or the new one, never half of it. OSError passes through.

    Where `path` is a link, the file that it leads to is replaced; the mode of a file that was there is kept.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be read, so that it is neither used nor overwritten. Returns its new name."""
    aside = path.with_name(f"{path.name}.unreadable-{int(time.time())}")
    counter = 1
    while aside.exists():
        counter += 1
        aside = path.with_name(f"{path.name}.unreadable-{int(time.time())}-{counter}")
    path.rename(aside)
    return aside


def free_below(folder: Path) -> int:
    """Bytes that we may still write below `folder`, which need not be there yet. OSError where nobody can tell."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """`folder`, or the nearest of the folders above it that is there."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
