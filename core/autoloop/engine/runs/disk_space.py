"""Whether the disks have enough free space to start a run, and which disk errors may be temporary."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from autoloop.disk import free_below

PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE})
"""No space, no quota, read-only, a bad or lost disk: a run that cannot start because of these waits; it has not failed."""


def shortage(folders: Iterable[Path], least: int) -> str | None:
    """Why no run may start: the disk of one of the folders has less than `least` bytes free for us, or is unusable. None if
    there is enough space."""
    for folder in folders:
        try:
            free = free_below(folder)
        except OSError as error:
            return f"{folder} cannot be used ({error.strerror})"
        if free < least:
            return (
                f"{_gigabytes(free)} is free in {folder}, less than the {_gigabytes(least)} needed to start a run "
                "(min_free_gb in autoloop.toml); `autoloop-tui disk` shows usage"
            )
    return None


def try_writing(folder: Path) -> None:
    """Raise the OSError if a small file cannot be written to `folder` now, and the error is one of PASSING."""
    probe = folder / "probe"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in PASSING:
            raise
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.3g} GB"
