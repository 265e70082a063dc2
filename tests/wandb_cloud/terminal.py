"""A command on a separate terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios

from tests.cli.project import CommandProject, command, environment
from tests.support.waiting import PATIENCE


def on_a_terminal(project: CommandProject, *words: str, columns: int | None = None) -> str:
    """Return the output of a command on a terminal, of the given width if any."""
    ours, theirs = pty.openpty()
    if columns is not None:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    wandb = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
    done = subprocess.Popen(
        command(*words), cwd=project.folder, env=environment(wandb), stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert done.wait(PATIENCE) == 0, said.decode()
    return said.decode()
