"""Slurm's states and reasons in words for users."""

from __future__ import annotations

import time

from autoloop.model import ExitRecord, Taken, TakenKind
from autoloop.runners.slurm.commands import Job

REASONS = {
    "None": "Slurm has not considered it yet",
    "Priority": "other jobs have priority",
    "Resources": "resources are in use",
    "BeginTime": "it may not start yet",
    "Dependency": "it depends on another job",
    "Licenses": "a licence is in use",
    "Reservation": "its reservation has not started",
    "JobHeldUser": "it is held; `scontrol release` releases it",
    "JobHeldAdmin": "an administrator holds it",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition is inactive",
    "PartitionTimeLimit": "its time limit is longer than the partition allows",
    "PartitionNodeLimit": "it requests more nodes than the partition allows",
    "ReqNodeNotAvail": "required nodes are down or reserved",
    "NodeDown": "required nodes are down",
    "BadConstraints": "no node satisfies its constraints",
    "InvalidAccount": "its account is not valid",
    "InvalidQOS": "its QOS is not valid",
    "AccountingPolicy": "an accounting limit is reached",
    "QOSNotAllowed": "its QOS is not allowed there",
    "AssocGrpGRES": "the account uses all its GPUs",
    "QOSGrpGRES": "the QOS uses all its GPUs",
    "Cleaning": "it is being cleaned up",
    "JobArrayTaskLimit": "its array runs as many tasks as allowed",
    "MaxJobsPerUser": "you run as many jobs as allowed",
}


def waiting_words(job: Job, now: float) -> str:
    """Return why a job waits, with Slurm's estimate of its start: `Slurm: other jobs have priority (about 14:05)`."""
    reason = job.reason.split(",")[0].strip("()")
    known = REASONS.get(reason)
    if known is None and reason.startswith(("QOS", "Assoc")):
        whose = "the QOS" if reason.startswith("QOS") else "the account"
        known = f"a limit of {whose} is reached ({reason})"
    text = f"Slurm: {known or reason}"
    if job.start and job.start > now:
        then = time.localtime(job.start)
        today = time.strftime("%F", then) == time.strftime("%F", time.localtime(now))
        text += time.strftime(f" (expected about {'' if today else '%a %d %b '}%H:%M)", then)
    return text


def reason_awaited(record: ExitRecord) -> str:
    """Return the status of an ended run while Slurm is asked for the reason of its end."""
    if record.stopped_by is not None:
        how = "was stopped"
    else:
        how = f"ended with signal {record.signal}" if record.signal else f"exited with code {record.code}"
    return f"it {how}; waiting for Slurm to say why"


def taken(job: Job, limit: str | None) -> Taken | None:
    """Return why Slurm ended a job that this loop did not ask to end; None if Slurm did not end it."""
    where = f" ({job.nodes})" if job.nodes else ""
    texts = {
        "PREEMPTED": (TakenKind.PREEMPTED, "Slurm preempted it for another job"),
        "TIMEOUT": (TakenKind.TIME_LIMIT, time_limit_words(limit)),
        "DEADLINE": (TakenKind.TIME_LIMIT, "it reached its deadline in Slurm"),
        "NODE_FAIL": (TakenKind.NODE_LOST, f"Slurm lost its node{where}"),
        "BOOT_FAIL": (TakenKind.NODE_LOST, f"its node did not boot{where}"),
        "OUT_OF_MEMORY": (TakenKind.MEMORY, "it exceeded its job's memory limit (see --mem of sbatch)"),
        "CANCELLED": (TakenKind.CANCELLED, "its job was cancelled in Slurm, not by this loop"),
        "REVOKED": (TakenKind.CANCELLED, "its job was revoked by Slurm"),
    }
    found = texts.get(job.state)
    return Taken(kind=found[0], text=found[1]) if found else None


def time_limit_words(limit: str | None) -> str:
    return f"it reached the time limit of its job ({limit})" if limit else "it reached the time limit of its job"
