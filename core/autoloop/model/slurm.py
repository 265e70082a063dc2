"""Slurm settings."""

import re
from typing import Annotated

import msgspec

SLURM = "slurm"
"""The place name of a Slurm cluster."""


class SlurmSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[slurm]`: job options in sbatch syntax. Omitted ones use the cluster's defaults."""

    partition: str | None = None
    """Partition, or several separated by commas."""
    account: str | None = None
    """The account to charge."""
    qos: str | None = None
    """Quality of service."""
    time: str | None = None
    """Time limit of one job: minutes, or as 4:00:00 or 1-12:00:00."""
    gres: str | None = None
    """Generic resources of one job; default: `gpu:N` with the N of --gpus-per-run, and nothing on the CPU."""
    constraint: str | None = None
    """Required node features."""
    directives: list[str] = []
    """Additional sbatch options, one string each: "--mem=64G", "--cpus-per-task=8"."""
    setup: list[str] = []
    """Bash lines that each job runs before the trainer, such as "module load cuda"."""
    max_jobs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    """Maximum number of jobs in Slurm at a time, including pending ones."""
    poll: Annotated[float, msgspec.Meta(ge=1)] = 15.0
    """Seconds between Slurm queries; one squeue covers all jobs."""

    @property
    def seconds(self) -> float | None:
        """The time limit in seconds; None if `time` is not set or cannot be parsed."""
        if self.time is None or (found := TIME.fullmatch(self.time.strip())) is None:
            return None
        days, first, second, third = (int(part) if part is not None else None for part in found.groups())
        if days is not None:
            return 86400 * days + 3600 * (first or 0) + 60 * (second or 0) + (third or 0)
        if third is not None:
            return 3600 * (first or 0) + 60 * (second or 0) + third
        return 60 * (first or 0) + (second or 0)


TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
"""A Slurm time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours and so on."""
