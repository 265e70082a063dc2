"""The job script that Slurm runs for an attempt; it execs the attempt's supervisor."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

from autoloop.model import LoopSpec, SlurmSpec
from autoloop.runners import local
from autoloop.runners.runner import AttemptSpec
from autoloop.runners.slurm.commands import job_name

SCRIPT, OUTPUT, ALLOCATION = "job.sh", "place.txt", "allocation.json"
"""Files in the attempt's folder: the job script; output of the script and of Slurm; the job number and node."""

LEAST_WARNING = 120.0
"""Seconds. Slurm checks limits every 30 s, may warn up to 60 s early, and warns only at the limit if asked for less."""


def script(spec: AttemptSpec, slurm: SlurmSpec) -> str:
    """Return the job script. It ignores signals until the supervisor handles them; stop requests are also left as files."""
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
    """Return the GRES that a loop's jobs request if the settings do not give one."""
    return None if spec.device == "cpu" else f"gpu:{spec.gpus_per_run}"


def resources(slurm: SlurmSpec, gres: str | None) -> list[str]:
    """Return the sbatch options for the resources of a job."""
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
    """Return the sbatch command. Options on the command line override the user's SBATCH_* variables."""
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
    """Return how many seconds before the time limit the attempt is stopped so that it can save a checkpoint; at most half
    of the limit."""
    wanted = max(LEAST_WARNING, 60 + sum(grace for _, grace in spec.stop) + spec.straggler_grace)
    return int(min(wanted, limit / 2) if limit else wanted)


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the job: without the variables of a job in which we run ourselves, and without a choice of
    GPUs, because Slurm assigns them."""
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    clean = {name: value for name, value in env.items() if not name.startswith(("SLURM_", "SLURMD_")) or name in kept}
    if clean.get("CUDA_VISIBLE_DEVICES"):
        del clean["CUDA_VISIBLE_DEVICES"]
    return clean
