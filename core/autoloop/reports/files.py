"""Files that people's own scripts read: replaced whole, never torn, never lost."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
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


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` in one step: readers see the old file or the new one, never half of it. OSError passes through.

    Where `path` is a link, the file that it leads to is replaced; the mode of a file that was there is kept.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", errors="surrogateescape") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(text)
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
