"""Files of a run that stayed on its host, brought here on demand; what was brought in part goes on from there."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from autoloop.disk import free_below
from autoloop.model import HostSpec, UserError
from autoloop.runners.ssh.connection import Connection, RefusedError, UnreachableError, connect
from autoloop.runners.ssh.left import Left
from autoloop.runners.ssh.mirror import inside, make_links
from autoloop.text.values import size_text

PIECE = 4 << 20


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
            lacking = _lacking(listed["files"], output, patterns)
            if (needed := sum(lacking.values())) >= (free := free_below(output)):
                raise UserError(
                    f"{size_text(needed)} are to be fetched and {size_text(free)} are free: name some with --only."
                )
            for path, size in lacking.items():
                _bring(connection, f"{left.folder}/{path}", output / path)
                tell(path, size)
            make_links(output, listed["links"])
            return lacking
        finally:
            connection.close()
    except UnreachableError as error:
        raise UserError(f"{host.name} cannot be reached: {error}. What came so far is kept.") from None
    except RefusedError as error:
        raise UserError(f"{host.name} could not give it: {error}.") from None


def _lacking(files: Mapping[str, int], output: Path, patterns: Collection[str]) -> dict[str, int]:
    found = {}
    for path, size in sorted(files.items()):
        here = inside(output, path)
        wanted = not patterns or any(fnmatch.fnmatchcase(path, each) for each in patterns)
        if here is not None and wanted and not (here.is_file() and here.stat().st_size == size):
            found[path] = size
    return found


def _bring(connection: Connection, there: str, here: Path) -> None:
    """One file: whole under its name, or in part under another."""
    here.parent.mkdir(parents=True, exist_ok=True)
    part = here.with_name(f".{here.name[:200]}.part")
    with open(part, "ab", opener=_no_link) as file:
        while True:
            answer = connection.ask("fetch", {"path": there, "at": file.tell(), "room": PIECE})
            if file.tell() > answer["total"]:  # it is another file by now
                file.truncate(0)
                file.seek(0)
                continue
            file.write(answer["data"])
            if file.tell() >= answer["total"] or not answer["data"]:
                break
        file.flush()
        os.fsync(file.fileno())
    part.replace(here)


def _no_link(path: str, flags: int) -> int:
    """The host may have sent a link of that name. OSError then."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
