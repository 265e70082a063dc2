"""An `ssh` on PATH that connects to this machine with another home folder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from autoloop.runners.sweeping import sweep

SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
if [ -e {folder}/refuses ]; then cat {folder}/refuses >&2; exit 255; fi
echo $$ >> {folder}/connections
echo "a line of the login shell"
cd {home}
exec env -i HOME={home} PATH={path} sh -c "$3"
"""


class FarSide:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.programs = folder / "bin"
        for each in (self.home, self.programs):
            each.mkdir(parents=True)
        ssh = self.programs / "ssh"
        path = f"{self.programs}:{os.path.dirname(sys.executable)}:/usr/bin:/bin"
        ssh.write_text(SSH.format(folder=folder, home=self.home, path=path))
        ssh.chmod(0o755)

    def odd_python(self) -> tuple[str, Path]:
        """Return a Python for the program on the other side, and the file it runs first to behave as on another machine."""
        python, first = self.programs / "odd-python", self.folder / "first.py"
        first.touch()
        python.write_text(f"#!/bin/sh\nexec {sys.executable} -I -S -c \"exec(open('{first}').read());$4\"\n")
        python.chmod(0o755)
        return str(python), first

    def connections(self) -> list[int]:
        """Return the pids of all connections that were ever made."""
        with contextlib.suppress(FileNotFoundError):
            return [int(line) for line in (self.folder / "connections").read_text().split()]
        return []

    def cut(self, why: str | None = None) -> None:
        """End the connection; with `why`, ssh fails with that message from now on."""
        if why is not None:
            (self.folder / "refuses").write_text(why + "\n")
        for pid in self.connections():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def mend(self) -> None:
        (self.folder / "refuses").unlink()

    def sweep(self) -> None:
        """End what a failed test left running there."""
        for claim in self.home.glob("*/attempts/*/claim"):
            sweep(claim.parent.name, claim.parent)
