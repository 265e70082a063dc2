"""The copies of the project's code that lie on this machine: which of them may go.

A copy is deleted if no attempt that runs works in it, nobody has asked for it for a day, and there are enough newer ones.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time

from autoloop.runners.ssh.far import following

KEPT = 10
"""Copies that stay in any case, the newest ones."""
RECENT = 86_400
"""Seconds since it was asked for last in which a copy stays, and since its beginning in which code may have come in part."""


def use(path: str) -> None:
    """Note that a copy was asked for now."""
    with contextlib.suppress(OSError):
        os.utime(path)


def clear(folder: str) -> None:
    """Delete what was sent, unpacked or deleted in part and given up."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            if name.endswith((".part", ".new", ".old")) and time.time() - os.stat(path).st_mtime > RECENT:
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def prune(folder: str, attempts: str) -> None:
    """Delete old copies. OSError where it cannot be seen which are used: then all stay."""
    copies = []
    for entry in os.scandir(folder):
        if "." not in entry.name and entry.is_dir(follow_symlinks=False):
            copies.append((entry.stat().st_mtime, entry.path))
    old = [path for at, path in sorted(copies, reverse=True)[KEPT:] if time.time() - at > RECENT]
    if not old:
        return
    used = _used(attempts)
    for path in old:
        if not any(path in text for text in used):
            gone = f"{path}.{os.getpid()}.old"  # so that none is there in part
            with contextlib.suppress(OSError):
                os.rename(path, gone)
                shutil.rmtree(gone)


def _used(attempts: str) -> list[str]:
    """What the attempts that run were given. One that has not begun yet had its copy asked for just before."""
    texts = []
    for entry in os.scandir(attempts):
        if os.path.exists(f"{entry.path}/exit.json") or following.state_of(entry.path, entry.name)["state"] != "alive":
            continue
        with open(f"{entry.path}/spec.json", encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    return texts
