"""A cache of read runs in one file; an entry is used only if the reader, the metric names and the files are unchanged."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from autoloop.files import LARGEST, read_regular, write_atomically
from autoloop.metrics import MetricBooks

LARGEST_MEMORY = 64 * LARGEST
T = TypeVar("T")


class _File(msgspec.Struct, Generic[T]):
    version: str
    entries: dict[str, T]


class Memory(Generic[T]):
    """A cache of `entries` of one kind, by key. A file that is damaged, of another version or not ours counts as empty, and
    `save` replaces it. If it cannot be written, everything is read again the next time."""

    def __init__(self, path: Path, kind: type[T], version: str) -> None:
        self.path = path
        self.version = version
        self.entries: dict[str, T] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            data = read_regular(path, LARGEST_MEMORY)
            if msgspec.msgpack.decode(data, type=_Version).version == version:
                self.entries = msgspec.msgpack.decode(data, type=_File[kind]).entries  # type: ignore[valid-type]

    def save(self) -> None:
        try:
            data = msgspec.msgpack.encode(_File(self.version, self.entries))
        except OverflowError:
            kept = {key: entry for key, entry in self.entries.items() if _can_be_written(entry)}
            data = msgspec.msgpack.encode(_File(self.version, kept))
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.path, data)


def _can_be_written(entry: object) -> bool:
    try:
        msgspec.msgpack.encode(entry)
    except OverflowError:  # a config may hold a number of more than 64 bits
        return False
    return True


class _Version(msgspec.Struct):
    version: str


def memory_path(project: Path, root: Path, environment: Mapping[str, str]) -> Path:
    """Return the cache file for the runs below `root`: in the project's `.autoloop/` if it is writable, else in the user's
    cache."""
    home = project / ".autoloop"
    if not (home.is_dir() and os.access(home, os.W_OK)):
        cache_home = environment.get("XDG_CACHE_HOME") or os.path.join(environment.get("HOME", "/"), ".cache")
        home = Path(cache_home) / "autoloop"
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16]
    return home / "cache" / f"runs-{name}.msgpack"


def version_of(books: MetricBooks) -> str:
    """Return a version that changes with the code that reads and summarises, and with the metric books."""
    return f"{_code()}-{books.digest}"


@cache
def _code() -> str:
    digest = hashlib.sha256(msgspec.__version__.encode())
    for package in ("autoloop.model", "autoloop.metric_readers", "autoloop.metrics", "autoloop.run_archive"):
        for file in sorted(resources.files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
