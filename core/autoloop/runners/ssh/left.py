"""What of a run's output stayed on the host where it ran: a file in its output directory on this machine says so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec

from autoloop.files import write_atomically

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
    write_atomically(output / LEFT, json.dumps(msgspec.to_builtins(left)))  # names need not be UTF-8


def read_left(output: Path | str) -> Left | None:
    """None for a run of this machine."""
    try:
        return msgspec.convert(json.loads((Path(output) / LEFT).read_bytes()), type=Left)
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
