"""Versions of the packages installed for an interpreter."""

from __future__ import annotations

import functools
import importlib.metadata
import subprocess
import sys

PATIENCE = 20.0
ASK = "import sys; sys.path[:] = filter(None, sys.path); from importlib.metadata import version; print(version(sys.argv[1]))"
"""Removes the working folder, first on the path with `-c`: a file there could shadow a module of Python."""


@functools.cache
def version_of(package: str, python: str = "") -> str | None:
    """Return the version of a package for the interpreter `python` (default: ours); None if it cannot be determined."""
    try:
        if python in ("", sys.executable):
            return importlib.metadata.version(package)
        done = subprocess.run([python, "-c", ASK, package], capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (importlib.metadata.PackageNotFoundError, OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
