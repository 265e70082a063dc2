"""Free disk space."""

from __future__ import annotations

import shutil
from pathlib import Path


def free_below(folder: Path) -> int:
    """Bytes that may still be written below `folder`, which need not exist yet. OSError if that cannot be determined."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """`folder`, or its nearest parent that exists."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
