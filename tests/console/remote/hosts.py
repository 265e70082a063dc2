"""A machine named `box`: a stand-in for ssh runs its commands on this machine until the connection is cut."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from autoloop.runners import procfs

from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.remote.feed import RemoteFeed
from autoloop_tui.console.remote.link import Link, RemoteProject
from autoloop_tui.console.remote.mirror import Mirror
from autoloop_tui.console.remote_app import RemoteApp
from tests.console.projects import RecordedProject
from tests.console.running import ConsolePilot
from tests.console.waiting import settle
from tests.support.waiting import eventually

PROGRAM = str(Path(sys.executable).with_name("autoloop-tui"))

SSH = """#!/bin/sh
# Every word that ssh is given is kept; its last one runs here, below a shell that greets.
here=$(dirname "$0")
printf '%s\\n' "$@" > "$here/words"
if [ -e "$here/refuses" ]; then echo 'box: Connection refused' >&2; exit 255; fi
while [ "$1" != -- ]; do shift; done
shift; shift
echo $$ > "$here/pid"
echo 'Welcome to box.'
exec sh -c "exec $*"
"""


class Box:
    """The stand-in, in a separate folder. It is found if that folder is on PATH."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "ssh").write_text(SSH)
        (folder / "ssh").chmod(0o755)

    @property
    def words(self) -> list[str]:
        """Return the arguments of the last ssh call."""
        return (self.folder / "words").read_text().splitlines()

    def cut(self) -> None:
        """End the connection, and refuse new ones."""
        (self.folder / "refuses").touch()
        pid = int((self.folder / "pid").read_text())
        seen = procfs.process(pid)
        os.kill(pid, signal.SIGKILL)
        assert seen is not None
        eventually(lambda: (now := procfs.process(pid)) is None or now.start_time != seen.start_time, "its end")

    def mend(self) -> None:
        (self.folder / "refuses").unlink()


@asynccontextmanager
async def remote(project: RecordedProject) -> AsyncIterator[ConsolePilot]:
    """Run the console on a project on the box."""
    mirror = Mirror()
    link = Link(RemoteProject("box", str(project.folder), PROGRAM), None, mirror)
    try:
        link.wait()
        app = RemoteApp(RemoteFeed(link, mirror, None), preferences=Preferences(theme="dark"))
        async with app.run_test(size=(120, 40)):
            pilot = ConsolePilot(app)
            await settle(pilot)
            yield pilot
    finally:
        link.close()
        mirror.close()
