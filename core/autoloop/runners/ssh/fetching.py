"""Copies files of a run that stayed on its host, on demand; partial copies are resumed."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from autoloop.disk import free_below
from autoloop.model import HostSpec, UserError
from autoloop.runners.ssh.connection import Connection, RefusedError, UnreachableError, connect
from autoloop.runners.ssh.far.following import called, names
from autoloop.runners.ssh.left import RemoteFiles
from autoloop.runners.ssh.mirror import inside, make_links, make_way
from autoloop.text.values import size_text

PIECE = 4 << 20
TRIES = 5
COARSE = 2 * 10**9
"""Nanoseconds by which a file system may round the mtime of a file."""

Stamp = list[int]
"""Identifies a state of a file on the host: inode, size in bytes, mtime in nanoseconds."""


def fetch(
    host: HostSpec, left: RemoteFiles, output: Path, patterns: Collection[str], tell: Callable[[str, int], None]
) -> dict[str, int]:
    """Fetch missing files into `output` and return their sizes by path. `tell` is called for each file.

    `patterns` select files by their paths below the output directory. Raises UserError or OSError.
    """
    try:
        connection, _ = connect(host)
        try:
            listed = connection.ask("list", {"path": left.folder})
            if not listed["there"]:
                raise UserError(f"The folder {left.folder} no longer exists on {host.name}.")
            lacking = _lacking(listed, left.folder, output, patterns)
            if (needed := sum(size for _, size, _ in lacking.values())) >= (free := free_below(output)):
                raise UserError(
                    f"The files take {size_text(needed)}, but only {size_text(free)} are free: select some with --only."
                )
            brought, restless = {}, []
            for path, stamp in lacking.items():
                make_way(output, path)
                size = bring(connection, f"{left.folder}/{path}", output / path, stamp)
                if size is None:
                    restless.append(path)
                    continue
                brought[path] = size
                tell(path, size)
            make_links(output, listed["links"])
            if restless:
                raise UserError(f"{restless[0]} keeps changing on {host.name}: fetch it after its run has ended.")
            return brought
        finally:
            connection.close()
    except UnreachableError as error:
        raise UserError(f"{host.name} cannot be reached: {error}. Files fetched so far are kept.") from None
    except RefusedError as error:
        raise UserError(f"{host.name} could not send it: {error}.") from None


def _lacking(listed: Mapping[str, Any], folder: str, output: Path, patterns: Collection[str]) -> dict[str, Stamp]:
    """Return files that are missing here, differ in size, or are newer on the host; fetched files keep its mtime."""
    found = {}
    folders = called(listed["links"], folder, patterns)
    for path, stamp in sorted(listed["files"].items()):
        here = inside(output, path)
        through = names(path, folders) if patterns else ()
        if here is None or (patterns and not any(fnmatch.fnmatchcase(name, each) for name in through for each in patterns)):
            continue
        if not here.is_file() or here.stat().st_size != stamp[1] or here.stat().st_mtime_ns + COARSE < stamp[2]:
            found[path] = stamp
    return found


def bring(connection: Connection, there: str, here: Path, stamp: Stamp) -> int | None:
    """Fetch one file and return its size; None if the file changed during every try.

    A partial copy has a temporary name and is resumed only if the file on the host is unchanged.
    """
    here.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        part = part_of(here, stamp)
        with open(part, "ab", opener=_no_link) as file:
            while True:
                answer = connection.ask("fetch", {"path": there, "at": file.tell(), "room": PIECE})
                if answer["of"] != stamp:
                    stamp = answer["of"]
                    if file.tell():  # its beginning may have changed
                        break
                    part = part.rename(part_of(here, stamp))
                file.write(answer["data"])
                if file.tell() >= stamp[1]:
                    file.flush()
                    os.fsync(file.fileno())
                    os.utime(file.fileno(), ns=(stamp[2], stamp[2]))
                    part.replace(here)
                    return stamp[1]
    return None


def part_of(here: Path, stamp: Stamp) -> Path:
    """Return the path for a partial copy of this state of the file. Deletes partial copies of other states."""
    prefix = f".{hashlib.sha256(os.fsencode(here.name)).hexdigest()[:12]}."
    part = here.with_name(f"{prefix}{'-'.join(map(str, stamp))}.part")
    for other in here.parent.glob(f"{prefix}*.part"):
        if other != part and not other.is_dir():
            other.unlink()
    return part


def _no_link(path: str, flags: int) -> int:
    """Open without following links, because the host may have sent one of that name. Raises OSError for a link."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
