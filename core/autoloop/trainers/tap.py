"""The tap: for a wandb before 0.31, which writes its file in blocks of 32 KiB, what a run logs is mirrored row by row.

Without it, live rules and curves would see a slow logger minutes late, and a run that is stopped would lose its last rows.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path

from autoloop.trainers.installed import version_of

SITE = Path(__file__).with_name("tap_site")
FIRST_PROMPT = (0, 31)
"""The first wandb that flushes its file by time (WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL)."""


@functools.cache
def lagging_wandb(python: str) -> str | None:
    """The version of that interpreter's wandb if it is one that lags; None if not, or if it cannot be told."""
    version = version_of("wandb", python) or ""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return version if numbers and (int(numbers[1]), int(numbers[2])) < FIRST_PROMPT else None


def tapped(env: Mapping[str, str], file: Path) -> dict[str, str]:
    """The environment with the tap in it, which mirrors each W&B run to a file of its own: `file` with the run's id."""
    path = os.pathsep.join(filter(None, [str(SITE), env.get("PYTHONPATH")]))
    return {**env, "PYTHONPATH": path, "AUTOLOOP_TAP": str(file)}
