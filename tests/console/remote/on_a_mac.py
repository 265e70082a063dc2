"""A program for a fresh process: the console on another machine's loop, without anything specific to Linux.

Its arguments are the project's folder and the program that serves it. On success it prints the screen.
"""

from __future__ import annotations

import _ctypes
import errno
import importlib
import os
import select
import signal
import sys
from typing import Any

MISSING: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (os, ("pidfd_open", "eventfd", "eventfd_read", "eventfd_write", "memfd_create", "sched_getaffinity", "splice")),
    (select, ("epoll",)),
    (signal, ("pidfd_send_signal",)),
)


def forbid_proc(path: object) -> None:
    if isinstance(path, str | bytes) and os.fsdecode(path).startswith(("/proc", "/sys")):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def hear(event: str, words: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir") and words:
        forbid_proc(words[0])


def no_prctl(library: int, name: str) -> int:
    if name == "prctl":
        raise OSError(f"{name}: symbol not found")
    return dlsym(library, name)


for module, names in MISSING:
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
dlsym = _ctypes.dlsym
_ctypes.dlsym = no_prctl
for asked in ("stat", "lstat", "readlink"):
    real = getattr(os, asked)

    def tried(path: Any, *words: Any, real: Any = real, **options: Any) -> Any:
        forbid_proc(path)
        return real(path, *words, **options)

    setattr(os, asked, tried)
sys.modules["pynvml"] = None  # type: ignore[assignment]
sys.addaudithook(hear)


try:
    importlib.import_module("autoloop.runners.procfs").boot_id()
except FileNotFoundError:
    pass
else:
    raise AssertionError("/proc is there")


async def look(app: Any) -> str:
    waiting = importlib.import_module("tests.console.waiting")
    pictures = importlib.import_module("tests.console.pictures")
    async with app.run_test(size=(120, 40)) as pilot:
        await waiting.until(pilot, lambda: "INFO newest line" in pictures.text(app), "the log")
        for key in "prcWsil":
            await pilot.press(key)
            await waiting.settle(pilot)
            await pilot.press("escape")
        return str(pictures.text(app))


def main() -> None:
    import asyncio

    from autoloop_tui.console.preferences import Preferences
    from autoloop_tui.console.remote.feed import RemoteFeed
    from autoloop_tui.console.remote.link import Link, RemoteProject
    from autoloop_tui.console.remote.mirror import Mirror
    from autoloop_tui.console.remote_app import RemoteApp

    mirror = Mirror()
    link = Link(RemoteProject("box", sys.argv[1], sys.argv[2]), None, mirror)
    link.wait()
    app = RemoteApp(RemoteFeed(link, mirror, None), preferences=Preferences(theme="dark"))
    print(asyncio.run(look(app)))


main()
