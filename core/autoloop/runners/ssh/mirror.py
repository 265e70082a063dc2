"""Keeps copies of the files that an attempt writes on another host up to date on this machine."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autoloop.runners import bounded_log
from autoloop.runners.ssh.far.following import tail_sum
from autoloop.runners.ssh.left import LEFT, RemoteFiles, replace, write_left

OF_THE_PATH = frozenset(
    {
        *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
        *(errno.EINVAL, errno.EILSEQ, errno.EFBIG, errno.ENXIO, errno.ETXTBSY),
    }
)
"""Errors caused by the path itself, so that retrying does not help."""


class Mirror:
    """The copy of one attempt's files. Data from a host is never written outside the attempt's folder and output directory,
    nor through a link. Methods raise OSError; the caller then compares all files again."""

    def __init__(self, directory: Path, output: Path, host: str, max_log: int) -> None:
        self.directory, self.output = directory, output
        self._host = host
        self.folder = ""
        """The output directory on the host."""
        self._max_log = max_log
        self._left: dict[str, int] = {}
        self._cut = 0
        self.skipped: dict[str, str] = {}
        """Paths that cannot be written here, with the reasons; they do not block the rest of the attempt."""

    def has(self) -> dict[str, list[int]]:
        """Return the files present here: path to size and checksum of the last bytes."""
        found = {}
        for parent, _, names in os.walk(self.output):
            for name in names:
                path = Path(parent, name)
                with contextlib.suppress(OSError):
                    if path.is_file() and not path.is_symlink() and name != LEFT:
                        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                        try:
                            size = os.fstat(fd).st_size
                            found[str(path.relative_to(self.output))] = [size, tail_sum(fd, size)]
                        finally:
                            os.close(fd)
        return found

    def log_written(self) -> int:
        """Return the bytes of the log ever written, as far as they have been received."""
        try:
            fd = os.open(self.directory / "log.txt", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            gone = bounded_log.left_out(fd)
            return os.fstat(fd).st_size + (gone - bounded_log.LENGTH if gone else 0)
        finally:
            os.close(fd)

    def take(self, chunk: Mapping[str, Any], data: bytes) -> None:
        """Write a received chunk."""
        if chunk.get("log"):
            self._log(chunk.get("keep"), data)
            return
        name, at = str(chunk["path"]), int(chunk["at"])
        if name == LEFT or (at and name in self.skipped):
            return
        try:
            self._file(name, at, bool(chunk["whole"]), data)
        except OSError as error:
            if error.errno not in OF_THE_PATH:
                raise
            self._skip({name: error.strerror or str(error)})
        else:
            if self.skipped.pop(name, None):
                self._skip({})

    def _file(self, name: str, at: int, whole: bool, data: bytes) -> None:
        make_way(self.output, name)
        path = self.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if whole:
            replace(path, data)
            return
        flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_TRUNC if at == 0 else 0)
        fd = os.open(path, flags, 0o644)
        try:
            if os.fstat(fd).st_size < at:
                raise OSError(errno.ESTALE, "an earlier part of it is missing here")
            os.ftruncate(fd, at)
            with os.fdopen(fd, "wb", closefd=False) as file:
                file.seek(at)
                file.write(data)
        finally:
            os.close(fd)

    def record(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a record of the supervisor."""
        replace(self.directory / name, json.dumps(value).encode() + b"\n")

    def beat(self) -> None:
        """Update the claim's mtime after a heartbeat of the supervisor, by our clock."""
        with contextlib.suppress(OSError):
            os.utime(self.directory / "claim", (time.time(),) * 2)

    def left(self, files: Mapping[str, int], links: Mapping[str, str], cut: int = 0) -> None:
        """Record the files that stay on the host and `cut`, the number of small files not sent; create the links."""
        self._left, self._cut = dict(files), cut
        self._skip(make_links(self.output, links))

    def _skip(self, paths: Mapping[str, str]) -> None:
        self.skipped |= paths
        left = RemoteFiles(host=self._host, folder=self.folder, files=self._left, cut=self._cut, skipped=self.skipped)
        write_left(self.output, left)

    def _log(self, keep: int | None, data: bytes) -> None:
        fd = os.open(self.directory / "log.txt", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if keep is not None:
                os.ftruncate(fd, keep)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            bounded_log.BoundedLog(fd, self._max_log).fit()
        finally:
            os.close(fd)


def inside(output: Path, path: str) -> Path | None:
    """Return the path below an output directory to write to; None if it is invalid, passes through a link, or is `LEFT`."""
    parts = _parts(path)
    return None if parts is None or any(parent.is_symlink() for parent in _parents(output, parts)) else output / path


def _parts(path: str) -> list[str] | None:
    parts = path.split("/")
    return None if "\0" in path or any(part in ("", ".", "..") for part in parts) or path == LEFT else parts


def _parents(path: Path, parts: list[str]) -> Iterator[Path]:
    for part in parts[:-1]:
        path = path / part
        yield path


def make_way(output: Path, path: str) -> None:
    """Clear what blocks writing to a path of an output directory because it was another kind of entry before.

    A file, or a link that stays inside, is removed; a non-empty folder is renamed. Raises OSError.
    """
    parts = _parts(path)
    if parts is None:
        raise OSError(errno.EINVAL, "it would be outside the output directory")
    for parent in _parents(output, parts):
        if parent.is_symlink():
            if not _stays(output, parent, os.readlink(parent)):
                raise OSError(errno.ELOOP, f"{parent.name} is a link to another place")
            parent.unlink()
        elif parent.exists() and not parent.is_dir():
            parent.unlink()
    here = output.joinpath(*parts)
    if here.is_symlink():
        here.unlink()
    elif here.is_dir():
        try:
            here.rmdir()
        except OSError:
            names = (here.with_name(f"{here.name[:60]}.before{number}") for number in range(1, 1000))
            here.rename(next(each for each in names if not os.path.lexists(each)))


def make_links(output: Path, links: Mapping[str, str]) -> dict[str, str]:
    """Create the links that stay inside the output directory. Returns failed paths with the reasons. Raises OSError."""
    failed = {}
    for path, target in links.items():
        try:
            _link(output, path, target)
        except OSError as error:
            if error.errno not in OF_THE_PATH:
                raise
            failed[path] = error.strerror or str(error)
    return failed


def _link(output: Path, path: str, target: str) -> None:
    here = inside(output, path)
    if here is None or not _stays(output, here, target) or (here.exists() and not here.is_symlink()):
        return
    if here.is_symlink():
        if os.readlink(here) == target:
            return
        here.unlink()
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(target)


def _stays(output: Path, link: Path, target: str) -> bool:
    """Whether a link leads into the output directory, and still would if links on its way changed: `..` is only allowed at
    the start, because a name before it could be a link."""
    parts = target.split("/")
    names = [at for at, part in enumerate(parts) if part not in ("", ".", "..")]
    if not target or "\0" in target or os.path.isabs(target) or (names and ".." in parts[names[0] :]):
        return False
    root, leads = os.path.realpath(output), os.path.realpath(link.parent / target)
    return leads == root or leads.startswith(root + os.sep)
