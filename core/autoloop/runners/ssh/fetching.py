"""Files of a run that stayed on its host, brought here on demand; what was brought in part goes on from there."""

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
from autoloop.runners.ssh.left import Left
from autoloop.runners.ssh.mirror import inside, make_links, make_way
from autoloop.text.values import size_text

PIECE = 4 << 20
TRIES = 5
COARSE = 2 * 10**9
"""Nanoseconds by which a file system may round the time of a file."""

Stamp = list[int]
"""Of a file on the host: inode, bytes, time in nanoseconds."""


def fetch(
    host: HostSpec, left: Left, output: Path, patterns: Collection[str], tell: Callable[[str, int], None]
) -> dict[str, int]:
    """The files that were brought, with their sizes; `tell` hears of each. `patterns`: only these, of paths below the output
    directory. UserError, OSError."""
    try:
        connection, _ = connect(host)
        try:
            listed = connection.ask("list", {"path": left.folder})
            if not listed["there"]:
                raise UserError(f"The folder {left.folder} is not there any more on {host.name}.")
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
    """What is not here, has another size, or is newer there: what was fetched has the time that it has there."""
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
    """One file: whole under its name, or in part under another, that goes on only if it is the same file still. Its size;
    None if it was another one each time."""
    here.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        part = part_of(here, stamp)
        with open(part, "ab", opener=_no_link) as file:
            while True:
                answer = connection.ask("fetch", {"path": there, "at": file.tell(), "room": PIECE})
                if answer["of"] != stamp:
                    stamp = answer["of"]
                    if file.tell():  # its beginning may be another by now
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
    """Where one state of a file is kept until it is whole; parts of other states are deleted."""
    prefix = f".{hashlib.sha256(os.fsencode(here.name)).hexdigest()[:12]}."
    part = here.with_name(f"{prefix}{'-'.join(map(str, stamp))}.part")
    for other in here.parent.glob(f"{prefix}*.part"):
        if other != part and not other.is_dir():
            other.unlink()
    return part


def _no_link(path: str, flags: int) -> int:
    """The host may have sent a link of that name. OSError then."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
