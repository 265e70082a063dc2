"""Jobs of attempts that have ended, until Slurm has done with them.

One that is put back into Slurm's queue just as it ends would wait there for nothing, and for ever if it is held.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping

from autoloop.runners.slurm.commands import Job, Meanwhile, SlurmError, scancel

PATIENCE = 300.0
"""Seconds after an end for which its job is looked at."""


class PutBack:
    """Owned by the runner's thread."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        """By name, in monotonic seconds."""

    @property
    def names(self) -> Collection[str]:
        return self._until

    def watch(self, name: str) -> None:
        self._until[name] = time.monotonic() + PATIENCE

    def take_out(self, found: Mapping[str, Job], meanwhile: Meanwhile) -> None:
        """By what Slurm has just said of them: nothing is left to do of what is over, what waits is taken out."""
        for name, until in list(self._until.items()):
            job = found.get(name)
            if job is None or job.over or time.monotonic() > until:
                del self._until[name]
            elif job.waiting:
                with contextlib.suppress(SlurmError):
                    scancel(name, "--state=PENDING", meanwhile=meanwhile)
