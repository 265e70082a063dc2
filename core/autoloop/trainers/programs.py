"""Finds the program that a command names: in the training environment, else on PATH."""

from __future__ import annotations

import os
import shutil

from autoloop.trainers.presets import PLACEHOLDER


def program_path(program: str, python: str) -> str:
    """Return the program to start. A bare name such as torchrun becomes the program beside the interpreter `python`, if it
    exists, so that it runs in that environment and not in the active one. Anything else is returned unchanged."""
    beside = os.path.join(os.path.dirname(python), program)
    bare = "/" not in program and not PLACEHOLDER.search(program)
    return beside if bare and os.path.isfile(beside) and os.access(beside, os.X_OK) else program


def exists(program: str, python: str, cwd: str) -> bool:
    """Whether `program` can be found from `cwd`; always True for a placeholder."""
    if PLACEHOLDER.search(program):
        return True
    path = program_path(program, python)
    return shutil.which(os.path.join(cwd, path) if "/" in path else path) is not None
