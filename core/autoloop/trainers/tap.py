"""The tap mirrors logged rows one by one for wandb before 0.31, which writes its file in blocks of 32 KiB.

Without it, live rules and curves would lag minutes behind a slow logger, and a stopped run would lose its last rows.
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
"""The first version of wandb that flushes its file periodically (WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL)."""


@functools.cache
def lagging_wandb(python: str) -> str | None:
    """Return the version of the interpreter's wandb if that version lags; otherwise, or if it is unknown, None."""
    version = version_of("wandb", python) or ""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return version if numbers and (int(numbers[1]), int(numbers[2])) < FIRST_PROMPT else None


def tapped(env: Mapping[str, str], file: Path) -> dict[str, str]:
    """Return the environment with the tap, which mirrors each W&B run to its own file: `file` with the run's id."""
    path = os.pathsep.join(filter(None, [str(SITE), env.get("PYTHONPATH")]))
    return {**env, "PYTHONPATH": path, "AUTOLOOP_TAP": str(file)}
