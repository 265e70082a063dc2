"""The copies of the project's code that lie on this machine: which of them may go.

A copy is deleted if no attempt that may still run works in it, nobody has asked for it for a day, and there are enough
newer ones. Several hosts may have one home, so an attempt is over only if its files say so, or if it was this machine's and
is dead.
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
"""Copies that stay in any case, the newest ones."""
RECENT = 86_400
"""Seconds since it was asked for last in which a copy stays, and since its beginning in which code may have come in part."""


def use(path: str) -> bool:
    """Note that a copy is asked for now; whether it is there."""
    if not os.path.isdir(path):
        return False
    try:
        os.utime(path)
    except FileNotFoundError:  # it was deleted just now
        return False
    except OSError:  # it is another user's
        pass
    return True


def clear(folder: str) -> None:
    """Delete what was sent, unpacked or deleted in part and given up."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            if name.endswith((".part", ".new", ".old")) and time.time() - os.stat(path).st_mtime > RECENT:
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def prune(folder: str, attempts: str) -> None:
    """Delete old copies. OSError or ValueError where it cannot be seen which are used: then all stay."""
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
    """Delete a copy that was asked for last at `at`, unless it is asked for meanwhile."""
    gone = f"{path}.{os.getpid()}.old"  # so that none is there in part
    if os.stat(path).st_mtime_ns == at:
        os.rename(path, gone)
        if os.stat(gone).st_mtime_ns == at:
            shutil.rmtree(gone)
        else:
            os.rename(gone, path)


def _used(attempts: str) -> list[str]:
    """What the attempts were given that are not over; OSError or ValueError where one cannot be read.

    The name of a copy is a hash: it stands in JSON as it is, whichever letters and links the path to it has."""
    texts = []
    for entry in os.scandir(attempts):
        if _is_over(entry.path, entry.name):
            continue
        with open(f"{entry.path}/spec.json", encoding="utf-8") as file:
            text = file.read()
        json.loads(text)  # only to see that it is whole
        texts.append(text)
    return texts


def _is_over(directory: str, attempt_id: str) -> bool:
    """Whether nothing of an attempt runs anywhere, nor ever will."""
    found = following.state_of(directory, attempt_id)
    if found["state"] == "none":
        return not os.path.exists(f"{directory}/spec.json")
    if found["state"] != "gone":
        return found["state"] in ("ended", "fenced")
    claim = found["claim"]
    assert isinstance(claim, dict)
    if claim.get("boot_id") == procfs.boot_id():
        return True
    # Of this machine before it was started again; or of another one of that name, which beats.
    silent = time.time() - os.stat(f"{directory}/claim").st_mtime > RECENT
    return claim.get("host") == os.uname().nodename and "boot_id" in claim and silent
