"""Free disk space."""

from __future__ import annotations

import shutil
from pathlib import Path


def free_below(folder: Path) -> int:
    """Return the free bytes for `folder`, which need not exist yet. Raises OSError if they cannot be determined."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """Return `folder` or its nearest existing parent."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
