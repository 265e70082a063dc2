"""Deletes old copies of the project's code on this machine.

A copy is deleted if no attempt that may still run uses it, it has not been requested for a day, and there are enough newer
ones. Several hosts may share a home directory, so an attempt is over only if its files say so, or if it ran on this machine
and is dead.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time

from autoloop.runners import procfs
from autoloop.runners.ssh.far import following

KEPT = 10
"""The number of newest copies that are always kept."""
RECENT = 86_400
"""Seconds for which a copy is kept after its last request, and an incomplete transfer after its last change."""


def use(path: str) -> bool:
    """Record a request for a copy. Returns whether the copy exists."""
    if not os.path.isdir(path):
        return False
    try:
        os.utime(path)
    except FileNotFoundError:  # it has just been deleted
        return False
    except OSError:  # it belongs to another user
        pass
    return True


def clear(folder: str) -> None:
    """Delete the remains of abandoned transfers, extractions and deletions."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            if name.endswith((".part", ".new", ".old")) and time.time() - os.stat(path).st_mtime > RECENT:
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def prune(folder: str, attempts: str) -> None:
    """Delete old copies. Raises OSError or ValueError if the copies in use cannot be determined; then all are kept."""
    copies = []
    for entry in os.scandir(folder):
        if "." not in entry.name and entry.is_dir(follow_symlinks=False):
            copies.append((entry.stat().st_mtime_ns, entry.path))
    before = (time.time() - RECENT) * 1e9
    old = [(at, path) for at, path in sorted(copies, reverse=True)[KEPT:] if at < before]
    if not old:
        return
    used = _used(attempts)
    for at, path in old:
        if not any(os.path.basename(path) in text for text in used):
            with contextlib.suppress(OSError):
                _delete(path, at)


def _delete(path: str, at: int) -> None:
    """Delete a copy last requested at `at`, unless it is requested in the meantime."""
    gone = f"{path}.{os.getpid()}.old"  # so that an incomplete copy is never visible
    if os.stat(path).st_mtime_ns == at:
        os.rename(path, gone)
        if os.stat(gone).st_mtime_ns == at:
            shutil.rmtree(gone)
        else:
            os.rename(gone, path)


def _used(attempts: str) -> list[str]:
    """Return the specs of the attempts that are not over, as text. Raises OSError or ValueError if one cannot be read.

    The name of a copy is a hash, which JSON never escapes, whatever the rest of the path looks like."""
    texts = []
    for entry in os.scandir(attempts):
        if _is_over(entry.path, entry.name):
            continue
        with open(f"{entry.path}/spec.json", encoding="utf-8") as file:
            text = file.read()
        json.loads(text)  # only to check that it is complete
        texts.append(text)
    return texts


def _is_over(directory: str, attempt_id: str) -> bool:
    """Whether no process of an attempt runs anywhere or ever will."""
    found = following.state_of(directory, attempt_id)
    if found["state"] == "none":
        return not os.path.exists(f"{directory}/spec.json")
    if found["state"] != "gone":
        return found["state"] in ("ended", "fenced")
    claim = found["claim"]
    assert isinstance(claim, dict)
    if claim.get("boot_id") == procfs.boot_id():
        return True
    # It ran on this machine before a reboot, or on another machine of that name, which would send heartbeats.
    silent = time.time() - os.stat(f"{directory}/claim").st_mtime > RECENT
    return claim.get("host") == os.uname().nodename and "boot_id" in claim and silent
