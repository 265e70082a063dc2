"""The job that Slurm runs for an attempt: it becomes the attempt's supervisor."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

from autoloop.model import LoopSpec, SlurmSpec
from autoloop.runners import local
from autoloop.runners.runner import AttemptSpec
from autoloop.runners.slurm.commands import job_name

SCRIPT, OUTPUT, ALLOCATION = "job.sh", "place.txt", "allocation.json"
"""In the attempt's folder: the job, what it prints before the supervisor and what Slurm adds, and where it was begun."""

LEAST_WARNING = 120.0
"""Slurm looks at its limits every 30 s and may warn 60 s early, and together with the limit if asked for less."""


def script(spec: AttemptSpec, slurm: SlurmSpec) -> str:
    """Signals that come before the supervisor waits for them are held off: who stops an attempt also leaves a file."""
    directory = shlex.quote(str(spec.directory))
    where = '{"job": "%s", "node": "%s"}\\n'
    return "\n".join(
        [
            "#!/bin/bash",
            "trap '' TERM USR1 USR2",
            f"cd {shlex.quote(spec.cwd)}",
            f"""printf '{where}' "$SLURM_JOB_ID" "$SLURMD_NODENAME" > {directory}/{ALLOCATION}""",
            *slurm.setup,
            f"exec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(local.SUPERVISOR))} {directory}",
            "",
        ]
    )


def default_gres(spec: LoopSpec) -> str | None:
    """What a job of a loop asks for if its settings do not say."""
    return None if spec.device == "cpu" else f"gpu:{spec.gpus_per_run}"


def resources(slurm: SlurmSpec, gres: str | None) -> list[str]:
    """What a job asks for."""
    given = {
        "partition": slurm.partition,
        "account": slurm.account,
        "qos": slurm.qos,
        "time": slurm.time,
        "gres": slurm.gres or gres,
        "constraint": slurm.constraint,
    }
    return [*(f"--{name}={value}" for name, value in given.items() if value), *slurm.directives]


def arguments(spec: AttemptSpec, slurm: SlurmSpec, gres: str | None) -> list[str]:
    """The call of sbatch. As words, which count more than the variables SBATCH_* of a user."""
    return [
        "sbatch",
        "--parsable",
        *resources(slurm, gres),
        f"--job-name={job_name(spec.attempt_id)}",
        f"--comment={spec.attempt_id}",
        f"--output={spec.directory / OUTPUT}",
        "--open-mode=append",
        "--no-requeue",
        "--export=ALL",
        f"--signal=B:USR2@{warning(spec, slurm.seconds)}",
    ]


def warning(spec: AttemptSpec, limit: float | None) -> int:
    """Seconds before the time limit at which the attempt is stopped, so that it can leave a checkpoint; half of a limit
    that is short."""
    wanted = max(LEAST_WARNING, 60 + sum(grace for _, grace in spec.stop) + spec.straggler_grace)
    return int(min(wanted, limit / 2) if limit else wanted)


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """The attempt's environment as the job gets it: without what belongs to a job in which we run ourselves, and without a
    choice of GPUs, which is Slurm's."""
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    clean = {name: value for name, value in env.items() if not name.startswith(("SLURM_", "SLURMD_")) or name in kept}
    if clean.get("CUDA_VISIBLE_DEVICES"):
        del clean["CUDA_VISIBLE_DEVICES"]
    return clean
