"""The state of one attempt in the thread of the Slurm runner, from its files and from Slurm's answers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoloop.model import ExitRecord, Taken, TakenKind
from autoloop.runners import records
from autoloop.runners.runner import AttemptExit, AttemptLoss, AttemptSpec, End
from autoloop.runners.slurm import script, words
from autoloop.runners.slurm.commands import Job, job_name

LOG = logging.getLogger(__name__)

CLEARING = 300.0
"""Seconds that Slurm gets to clean up after a killed or stopped job, before its end is reported without a reason."""
FAILING = 30.0
"""The same for a command that exited with an error: Slurm can only add that it ran out of memory."""


@dataclass
class Case:
    """A followed attempt; owned by the runner's thread. Times are monotonic unless stated otherwise."""

    id: str
    directory: Path
    created_at: float
    """When the attempt was created, in Unix seconds."""
    since: float
    """When it was submitted, or taken over from an earlier engine."""
    ladder: float = 0.0
    handle: dict[str, Any] | None = None
    submission: tuple[AttemptSpec, Mapping[str, str]] | None = None
    """The pending submission; None once it has been made or withdrawn."""
    begun: bool = False
    begun_at: float = 0.0
    """When `begun` was set."""
    adopted: bool = False
    """An earlier engine submitted it."""
    said: object = None
    beat: float = 0.0
    heard: float = 0.0
    """When its heartbeat last changed."""
    asked: str | None = None
    """`stop` or `kill`, if this loop has requested it."""
    cancel_at: float | None = None
    job: Job | None = None
    """The latest state reported by Slurm."""
    job_at: float = 0.0
    """When Slurm was queried for `job`."""
    missing_since: float | None = None
    """Since when Slurm has been answering without knowing the job."""
    record: ExitRecord | None = None
    asked_why: float | None = None
    """Since when Slurm has been asked why it ended."""
    again: bool = False
    """Slurm has requeued it."""
    condemned: bool = False
    """Its supervisor was asked to end, because Slurm no longer runs the job."""

    @property
    def requeued(self) -> bool:
        """Whether a query made after it had begun reports the job as waiting."""
        return self.begun and self.job is not None and self.job.waiting and self.job_at > self.begun_at

    @property
    def name(self) -> str:
        return job_name(self.id)


def end_unbegun(case: Case, limit: str | None) -> End:
    """Return the end of an attempt with a finished or unknown job and a supervisor that never began."""
    job, now = case.job if case.missing_since is None else None, time.time()
    if case.asked:
        return AttemptExit(ExitRecord(stopped_by=case.asked, ended_at=now))
    if job is None:
        return AttemptLoss("its job never started: Slurm does not know it", started=False)
    if job.state in ("FAILED", "COMPLETED", "OUT_OF_MEMORY"):
        said = f": {line}" if (line := last_line(case.directory / script.OUTPUT)) else ""
        return AttemptExit(ExitRecord(error=f"the job {job.id} ended before the supervisor could start{said}", ended_at=now))
    launched = not job.nodes or (case.directory / script.ALLOCATION).exists()
    took = words.taken(job, limit)
    if launched and took is not None and took.kind is TakenKind.CANCELLED:
        return AttemptExit(ExitRecord(stopped_by="stop", ended_at=now), took)
    return AttemptLoss(f"its job never started: Slurm reports {job.state}", started=False)


def at_the_limit(limit: str | None) -> Taken:
    return Taken(kind=TakenKind.TIME_LIMIT, text=words.time_limit_words(limit))


def was_requeued() -> Taken:
    return Taken(kind=TakenKind.PREEMPTED, text="Slurm requeued its job")


def explained(case: Case, record: ExitRecord, limit: str | None) -> AttemptExit | None:
    """Return the end if the exit record explains it; None if Slurm may know the reason."""
    if case.asked or record.error or (record.code == 0 and record.stopped_by is None):
        return AttemptExit(record)
    if record.stopped_by == "time limit":
        return AttemptExit(record, at_the_limit(limit))
    return AttemptExit(record, was_requeued()) if case.again else None


def fence(case: Case) -> bool:
    """Claim the attempt so that it can never begin. Returns False if it has begun or cannot be claimed."""
    try:
        return records.claim(str(case.directory), {"fenced_by": case.name})
    except FileNotFoundError:  # it cannot begin without its folder
        return True
    except OSError as error:
        LOG.debug("%s: cannot be fenced off: %s", case.id, error)
        return False


def patience(case: Case, record: ExitRecord, unknown: float) -> float:
    """Return for how many seconds to ask Slurm why an attempt ended; at most `unknown` if it does not know the job."""
    by_force = record.stopped_by is not None or record.signal is not None or (record.code or 0) > 128
    longest = CLEARING if by_force else FAILING
    return min(unknown, longest) if case.missing_since else longest


def forgotten() -> Taken:
    return Taken(kind=TakenKind.PREEMPTED, text="Slurm no longer knows its job, which was ended")


def by_others() -> Taken:
    return Taken(kind=TakenKind.CANCELLED, text="it was stopped on its node, not by this loop")


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return lines[-1][-300:] if lines else ""
