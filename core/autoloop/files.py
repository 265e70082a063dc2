"""Replaces files atomically and under a lock, and reads files up to a size limit, with error messages for users."""

from __future__ import annotations

import codecs
import contextlib
import errno
import fcntl
import glob
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from autoloop.model import UserError
from autoloop.text.names import numbered
from autoloop.text.suggest import did_you_mean


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Lock `path` for a read and a replacement, so that engines of other loops cannot overwrite each other's changes.

    The lock is on the folder; on a file system without locks, it has no effect. Half-written files of killed engines are
    deleted. Raises OSError if the folder does not exist and cannot be created.
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


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Replace `path` atomically: readers see either the old or the complete new file. Raises OSError.

    If `path` is a link, its target is replaced. The mode of an existing file is kept.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` atomically, like `replacing`."""
    with replacing(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))


SIDE_BY_SIDE = 16
"""Maximum number of files synced in parallel."""


def write_all(files: Sequence[tuple[Path, str]]) -> None:
    """Call `write_atomically` for each file; all are on disk on return. Raises the OSError of one that failed.

    Ten times as fast as a loop, because a disk commits concurrent syncs together.
    """
    if len(files) > 1:
        from concurrent.futures import ThreadPoolExecutor

        with contextlib.suppress(RuntimeError), ThreadPoolExecutor(min(SIDE_BY_SIDE, len(files))) as pool:
            # RuntimeError: no thread can be started; then the loop below writes them.
            for _ in pool.map(lambda file: write_atomically(*file), files):
                pass
            return
    for path, content in files:
        write_atomically(path, content)


Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp | None:
    """Return a stamp that changes when the file is changed or replaced; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


CHUNK = 1 << 16
"""Bytes held in memory of a file being copied, which may contain thousands of runs."""


def copy(source: BinaryIO, begin: int, end: int, target: BinaryIO) -> None:
    """Copy bytes `begin` to `end` of `source` to the current position of `target`."""
    source.seek(begin)
    while begin < end and (chunk := source.read(min(CHUNK, end - begin))):
        begin += target.write(chunk)


def set_aside(path: Path, companions: Sequence[str] = ()) -> Path:
    """Rename an unreadable file, so that it is neither used nor overwritten. Returns its new path.

    `companions` are suffixes, such as `-wal`, of files that belong to it and are renamed with it if they exist.
    """
    wanted = f"{path.name}.unreadable-{int(time.time())}"
    aside = next(place for name in numbered(wanted) if not (place := path.with_name(name)).exists())
    for ending in (*companions, ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


NO_FILE = "it is not a regular file"
LARGEST = 16 << 20
"""Maximum bytes of a user's or trainer's file to read at once; a config or a rule book has a few thousand."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading. Raises OSError, with a `strerror` that can be shown to users, also for files that
    could block or never end: a FIFO, a socket, a device such as /dev/zero."""
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise OSError(errno.EINVAL, NO_FILE, str(path)) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, NO_FILE, str(path))


def read_regular(path: Path, most: int = LARGEST) -> bytes:
    """Read a whole regular file. Raises OSError like `open_regular`, also for more than `most` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most + 1) if size <= most else b""  # some files of /proc have a size of 0
    if max(len(data), size) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB", str(path))
    return data


_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, what: str) -> str:
    """Return the text of a file, with its line endings and without a byte order mark. UserError names it as `what`."""
    try:
        content = read_regular(path)
    except FileNotFoundError:
        raise UserError(f"The {what} {path} does not exist; {_nearest_file(path)}") from None
    except OSError as error:
        raise UserError(f"The {what} {path} cannot be read: {error.strerror}; name another file.") from None
    try:
        return decoded(content)
    except ValueError as error:
        raise UserError(f"The {what} {path} {error}; save it as UTF-8.") from None


def decoded(content: bytes) -> str:
    """Decode UTF-8 without a byte order mark. Raises ValueError that states what the content is instead."""
    if content.startswith(_UTF_16) or (len(content) > 1 and b"\0" in content[:2]):
        raise ValueError("is UTF-16 text")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from None


def _nearest_file(path: Path) -> str:
    """Return advice on a missing file, usually caused by a typo in its name."""
    try:
        return did_you_mean(path.name, os.listdir(path.parent), "check the path.")
    except OSError:
        return f"there is no folder {path.parent} either."
