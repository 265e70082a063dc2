"""Calls Slurm's commands, each with a time limit, and parses their output."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from autoloop.model import Attempt
from autoloop.runners import records

PATIENCE = 30.0
"""Seconds for one call. If the controller is down, Slurm's commands take 10 s to give up."""

MAY_PASS = (
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "connection timed out",
    "connection reset",
    "zero bytes were transmitted",
    "communication connection failure",
    "communication shutdown failure",
    "temporarily unable to accept job",
    "slurm backup controller in standby",
    "resource temporarily unavailable",
    "no route to host",
)
"""Slurm's commands exit with code 1 for every error: these messages mean that the controller does not answer."""
FULL = ("maxsubmit", "submit limit", "qosmaxsubmit", "assocmaxsubmit", "too many jobs", "maxjobcount", "maximum job count")
"""These mean that it accepts no more jobs now."""

ACTIVE = frozenset({"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})


class SlurmError(Exception):
    """A command failed; the text is what it printed. `silent`: Slurm did not answer and may have carried out the request."""

    def __init__(self, text: str, *, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent

    @property
    def full(self) -> bool:
        """Whether the cluster accepts no more jobs from this user now."""
        return any(words in str(self).lower() for words in FULL)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job as Slurm reports it."""

    id: str
    state: str
    reason: str
    nodes: str = ""
    start: float | None = None
    """When it started or is expected to start, in Unix seconds."""
    partition: str = ""

    @property
    def waiting(self) -> bool:
        return self.state in WAITING

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def over(self) -> bool:
        return not (self.waiting or self.active)


Meanwhile = Callable[[], object]
"""Called every second while a command has not answered."""


def call(
    words: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    patience: float | None = None,
    meanwhile: Meanwhile = lambda: None,
) -> str:
    """Run a command and return its output. `env` is the environment that a job inherits. Raises SlurmError."""
    patience = PATIENCE if patience is None else patience
    quiet = {**os.environ, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"}
    try:
        done = subprocess.Popen(
            words,
            env=quiet if env is None else env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        raise SlurmError(f"{words[0]} cannot be run ({getattr(error, 'strerror', None) or error})") from None
    with done:
        try:
            output, complaints = _patiently(done, patience, meanwhile)
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{words[0]} did not answer within {patience:.0f} s", silent=True) from None
        finally:
            done.kill()
    said = complaints.decode(errors="replace")
    if done.returncode == 0:
        return output.decode(errors="replace") or said
    said = said.replace(f"{words[0]}: error: ", "")
    text = " ".join(said.split()) or f"{words[0]} exited with code {done.returncode}"
    raise SlurmError(text, silent=any(each in text.lower() for each in MAY_PASS))


def _patiently(process: subprocess.Popen[bytes], patience: float, meanwhile: Meanwhile) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + patience
    while True:
        try:
            return process.communicate(timeout=max(0.0, min(1.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise
            meanwhile()


def try_submission(asked: Sequence[str]) -> str:
    """Ask Slurm when and where a job would start, without submitting it. Raises SlurmError if Slurm rejects it."""
    said = call(["sbatch", "--test-only", *asked, "--wrap=true"], {**os.environ, "LC_ALL": "C"})
    return " ".join(said.replace("sbatch: ", "").split())


def user() -> str:
    return str(os.getuid())


def squeue(names: Iterable[str], meanwhile: Meanwhile = lambda: None) -> dict[str, Job]:
    """Return the jobs by name. Of several with one name, prefer one that is not over, then the newest. Raises SlurmError."""
    asked = ["-h", "-u", user(), "-t", "all", f"--name={','.join(names)}", "-o", "%i|%T|%r|%N|%S|%P|%j"]
    return by_name(call(["squeue", *asked], meanwhile=meanwhile))


def by_name(text: str) -> dict[str, Job]:
    """Parse the output of squeue or sacct. Lines that cannot be parsed are not our jobs and are ignored."""
    found: dict[str, Job] = {}
    for line in text.splitlines():
        parts = line.split("|", 6)
        if len(parts) != 7 or not parts[0].isdigit():
            continue
        id_, state, reason, nodes, start, partition, name = parts
        job = Job(id=id_, state=state.split()[0], reason=reason, nodes=nodes, start=_time(start), partition=partition)
        before = found.get(name)
        if before is None or (before.over, -int(before.id)) >= (job.over, -int(job.id)):
            found[name] = job
    return found


def sacct(names: Iterable[str], since: float, meanwhile: Meanwhile = lambda: None) -> dict[str, Job]:
    """Like `squeue`, from accounting, which also knows jobs that squeue has forgotten. SlurmError without accounting."""
    given = ["-n", "-P", "-X", "-u", user(), "-S", f"now-{max(1, int(since // 60) + 1)}minutes", f"--name={','.join(names)}"]
    return by_name(call(["sacct", *given, "-o", "JobID,State,Reason,NodeList,Start,Partition,JobName"], meanwhile=meanwhile))


def scancel(name: str, *words: str, meanwhile: Meanwhile = lambda: None) -> None:
    """Cancel or signal by name only, because a job number may have been reused. Raises SlurmError."""
    call(["scancel", f"--user={user()}", f"--name={name}", *words], meanwhile=meanwhile)


def job_name(attempt_id: str) -> str:
    return f"autoloop-{attempt_id}"


def ask_to_end(attempt: Attempt, *, kill: bool) -> bool:
    """Ask an attempt to end, whether its job is waiting or running. Returns False if Slurm does not answer.

    A file reaches a supervisor that is only starting; a signal makes a running one react immediately.
    """
    with contextlib.suppress(OSError):
        records.ask(attempt.directory, "kill" if kill else "stop")
    try:
        scancel(job_name(attempt.id), "--state=PENDING")
        scancel(job_name(attempt.id), "--batch", f"--signal={'USR1' if kill else 'TERM'}")
    except SlurmError as error:  # not silent: it has ended in the meantime, or is starting and will see the file
        return not error.silent
    return True


def _time(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
