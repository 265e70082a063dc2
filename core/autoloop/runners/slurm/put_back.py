"""Watches the jobs of ended attempts until Slurm has finished with them.

A job that Slurm requeues just as its attempt ends would wait in the queue for no purpose, and forever if it is held.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping

from autoloop.runners.slurm.commands import Job, Meanwhile, SlurmError, scancel

PATIENCE = 300.0
"""Seconds for which a job is watched after its attempt has ended."""


class RequeueWatch:
    """Owned by the runner's thread."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        """Deadlines by job name, in monotonic seconds."""

    @property
    def names(self) -> Collection[str]:
        return self._until

    def watch(self, name: str) -> None:
        self._until[name] = time.monotonic() + PATIENCE

    def take_out(self, found: Mapping[str, Job], meanwhile: Meanwhile) -> None:
        """Cancel the watched jobs that wait according to `found`; stop watching those that are over, unknown or late."""
        for name, until in list(self._until.items()):
            job = found.get(name)
            if job is None or job.over or time.monotonic() > until:
                del self._until[name]
            elif job.waiting:
                with contextlib.suppress(SlurmError):
                    scancel(name, "--state=PENDING", meanwhile=meanwhile)
