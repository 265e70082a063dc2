"""Detection of changes to the user's and project's theme files. The console polls them: scanning two small folders every two
seconds is cheaper than importing and running a watcher thread, and also detects changes by other hosts in a shared home."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from autoloop_tui.console.theming.theme_files import user_folder

EVERY = 2.0
"""Seconds between two polls."""


def stamp(project: Path, environment: Mapping[str, str]) -> frozenset[tuple[str, int, int]]:
    """Return a value that changes when a theme file of the user or project is changed, added or removed."""
    found = set()
    for folder in (user_folder(environment), project / "themes"):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".toml"):
                        found.add(_stamp(entry))
        except OSError:  # no such folder
            continue
    return frozenset(found)


def _stamp(entry: os.DirEntry[str]) -> tuple[str, int, int]:
    try:
        status = entry.stat()
    except OSError:  # a dangling link, or a file that has just disappeared
        return entry.path, 0, 0
    return entry.path, status.st_mtime_ns, status.st_size
