"""The program that a command names: that of the training environment, else the one on PATH."""

from __future__ import annotations

import os
import shutil

from autoloop.trainers.presets import PLACEHOLDER


def program_path(program: str, python: str) -> str:
    """`program` as it is started: a bare name such as torchrun is the one beside the interpreter `python`, if it is
    there; it runs with that environment, whichever is active. Anything else is left as it is."""
    beside = os.path.join(os.path.dirname(python), program)
    bare = "/" not in program and not PLACEHOLDER.search(program)
    return beside if bare and os.path.isfile(beside) and os.access(beside, os.X_OK) else program


def exists(program: str, python: str, cwd: str) -> bool:
    """Whether there is something to start under the name `program`, seen from `cwd`; a placeholder always is."""
    if PLACEHOLDER.search(program):
        return True
    path = program_path(program, python)
    return shutil.which(os.path.join(cwd, path) if "/" in path else path) is not None
