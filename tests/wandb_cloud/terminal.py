"""A command on a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess

from tests.cli.project import Project, command, environment


def on_a_terminal(project: Project, *words: str) -> str:
    """What a command says on a terminal."""
    ours, theirs = pty.openpty()
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
    assert done.wait(60) == 0, said.decode()
    return said.decode()
