"""What is installed beside an interpreter."""

from __future__ import annotations

import functools
import importlib.metadata
import subprocess
import sys

PATIENCE = 20.0
ASK = "import sys; sys.path[:] = filter(None, sys.path); from importlib.metadata import version; print(version(sys.argv[1]))"
"""Without the working folder, which stands first on the path of `-c`: a file there could be taken for one of Python's."""


@functools.cache
def version_of(package: str, python: str = "") -> str | None:
    """The version of a package in that interpreter's environment (ours where none is named); None if it cannot be told."""
    try:
        if python in ("", sys.executable):
            return importlib.metadata.version(package)
        done = subprocess.run([python, "-c", ASK, package], capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (importlib.metadata.PackageNotFoundError, OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
