"""What of a run's output stayed on the host where it ran: a file in its output directory on this machine says so."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import msgspec

from autoloop.model.structs import convert
from autoloop.text.plural import plural

LEFT = ".autoloop-host.json"


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """`folder` is the output directory on `host`, `files` are the sizes of what is only there, by path below it.
    `cut`: how many small files were too many to be brought while it ran.
    `skipped`: paths that cannot be written on this machine, with why."""

    host: str
    folder: str
    files: dict[str, int] = {}
    cut: int = 0
    skipped: dict[str, str] = {}


def write_left(output: Path, left: Left) -> None:
    """OSError."""
    output.mkdir(parents=True, exist_ok=True)
    replace(output / LEFT, json.dumps(msgspec.to_builtins(left)).encode(), sync=True)  # names need not be UTF-8


def read_left(output: Path | str) -> Left | None:
    """None for a run of this machine."""
    try:
        return convert(json.loads((Path(output) / LEFT).read_bytes()), Left)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def exists(path: str, output: str) -> bool:
    """Whether a file or folder of an output directory is there, here or on the host of the run."""
    if os.path.exists(path):
        return True
    left = read_left(output)
    if left is None:
        return False
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(output))  # a link may lead to what stayed there
    return inside in left.files or any(each.startswith(inside + "/") for each in left.files)


def notes_on(output: Path | str, host: str | None) -> list[str]:
    """What of a run's small files did not come from its host, in a sentence each."""
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
    """Readers see the old file or the new one. No host can know the name under which it is written, and make it a link
    before. `sync`: for what is not brought again when it is lost with the power."""
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
