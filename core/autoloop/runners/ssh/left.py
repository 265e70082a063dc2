"""Run output that stayed on the host, as recorded in a file in the output directory on this machine."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import msgspec

from autoloop.model.structs import convert
from autoloop.text.plural import plural

LEFT = ".autoloop-host.json"


class RemoteFiles(msgspec.Struct, frozen=True, kw_only=True):
    """`folder` is the output directory on `host`; `files` maps the paths that exist only there to their sizes in bytes.

    `cut` is the number of small files that were not copied during the run because there were too many.
    `skipped` maps paths that cannot be written on this machine to the reasons.
    """

    host: str
    folder: str
    files: dict[str, int] = {}
    cut: int = 0
    skipped: dict[str, str] = {}


def write_left(output: Path, left: RemoteFiles) -> None:
    """Write the record into the output directory. Raises OSError."""
    output.mkdir(parents=True, exist_ok=True)
    replace(output / LEFT, json.dumps(msgspec.to_builtins(left)).encode(), sync=True)  # names need not be UTF-8


def read_left(output: Path | str) -> RemoteFiles | None:
    """Return the record in an output directory; None for a run on this machine."""
    try:
        return convert(json.loads((Path(output) / LEFT).read_bytes()), RemoteFiles)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def exists(path: str, output: str) -> bool:
    """Whether a file or folder of an output directory exists here or on the host of the run."""
    if os.path.exists(path):
        return True
    left = read_left(output)
    if left is None:
        return False
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(output))  # a link may lead to a file that stayed there
    return inside in left.files or any(each.startswith(inside + "/") for each in left.files)


def notes_on(output: Path | str, host: str | None) -> list[str]:
    """Return a sentence about each kind of small file that was not copied from the host."""
    left = read_left(output)
    if left is None or left.host != host:
        return []
    notes = []
    if left.cut:
        are = "is" if left.cut == 1 else "are"
        notes.append(
            f"{plural(left.cut, 'small file')} {are} on {host} only, because there were too many: `fetch` copies them"
        )
    if left.skipped:
        path, why = min(left.skipped.items())
        path = path.encode(errors="replace").decode()[:200]
        others = f", and {len(left.skipped) - 1} more" if len(left.skipped) > 1 else ""
        notes.append(f"{path} on {host} cannot be written here ({why}){others}")
    return notes


def replace(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Replace a file atomically. `sync` is for data that would not be sent again after a power loss.

    The temporary name is random, so a host cannot create a link of that name in advance.
    """
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(fd)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
