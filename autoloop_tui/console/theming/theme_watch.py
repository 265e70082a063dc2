"""Whether somebody's own theme files have changed. Looked at by the console's clock: two small folders every two
seconds cost less than a watcher's thread and its import, and it sees what another host writes to a shared home."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from autoloop_tui.console.theming.theme_files import user_folder

EVERY = 2.0
"""Seconds between two looks."""


def stamp(project: Path, environment: Mapping[str, str]) -> frozenset[tuple[str, int, int]]:
    """Differs when a theme file of the person's or the project's was changed, added or removed."""
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
    except OSError:  # a link to nothing, or gone by now
        return entry.path, 0, 0
    return entry.path, status.st_mtime_ns, status.st_size
