"""Determine how the processes of a run ended if a launcher started them and reports it only in the log."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from autoloop.model import ExitRecord

NEAR = 600
"""Number of lines read at the end of a log. The summary of torch's launcher has seven lines per process."""

_NAMES = {entry.value: entry.name for entry in signal.Signals}
_WORDS = {
    "Killed": "SIGKILL",
    "Segmentation fault": "SIGSEGV",
    "Bus error": "SIGBUS",
    "Aborted": "SIGABRT",
    "Terminated": "SIGTERM",
    "Illegal instruction": "SIGILL",
    "Floating point exception": "SIGFPE",
}
_ANNOUNCED = re.compile(
    r"died with <Signals\.(?P<name>SIG\w+): \d+>"  # accelerate
    r"|terminated with signal (?P<spawned>SIG\w+)"  # torch.multiprocessing
    r"|\bgot signal: (?P<got>\d+)"  # torch's launcher was announced to end
    r"|exited on signal (?P<mpi>\d+)"
    r"|\bexit(?:s|ed)? with (?:return |exit )?(?:code|status)[ :=]+(?P<code>-?\d+)"  # DeepSpeed, Horovod
    r"|non-zero exit status (?P<status>\d+)"
    r"|failed \(exitcode: (?P<failed>-?\d+)\)"  # torch's launcher, in case its summary is cut off
)
_SHELL = re.compile(rf"^(?:.*[:\s])?(?P<words>{'|'.join(_WORDS)})(?: \(core dumped\))?(?:\s{{3,}}\S.*)?$")
"""The message of a shell, or of srun, about a command that was ended by a signal."""
_SRUN = re.compile(
    r"srun: (?:Terminating |error: \S+ tasks? [^:]{1,100}: (?!Terminated)"
    r"(?:Exited with exit code|[A-Z][A-Za-z ]{1,40}(?: \(core dumped\))?$))"
)
"""The message of srun about a task that failed before it ended the other tasks."""


@dataclass(frozen=True)
class SignalReport:
    """A signal's name, and the log line that reports it; None if the exit record does."""

    name: str
    line: str | None = None


@dataclass(frozen=True)
class Endings:
    """`first`: the signal that ended the run or the process that failed first, if known. `other`: a signal that ended
    another of its processes. `rank`, `code`: the rank that failed first, and its exit code. `many`: whether several
    processes wrote to the log."""

    first: SignalReport | None = None
    other: SignalReport | None = None
    rank: int | None = None
    code: int | None = None
    many: bool = False


def read_endings(lines: Sequence[str], exit: ExitRecord) -> Endings:
    """The endings according to the exit record and the end of the log."""
    near = lines[-NEAR:]
    summary = _torch_summary(near)
    if summary is not None:
        return summary
    announced = next((found for line in reversed(near[-60:]) if (found := _signal_in(line))), None)
    first = announced or _named(exit.signal if exit.signal is not None else exit.code, exit.signal is None)
    shell = next((found for line in reversed(near[-10:]) if (found := _shell(line))), None)
    if any(map(_SRUN.match, near[-60:])):  # the SIGTERM is srun's own, sent to the remaining tasks
        first = None if first and first.name == "SIGTERM" else first
        shell = next((found for line in near[-60:] if (found := _shell(line)) and found.name != "SIGTERM"), None)
    return Endings(first=first, other=shell, many=any("local_rank" in line for line in near))


def _torch_summary(lines: Sequence[str]) -> Endings | None:
    """The endings according to the final summary of torch's launcher, which itself sends SIGTERM to the other processes."""
    begin = next((i for i in reversed(range(len(lines))) if "Root Cause (first observed failure)" in lines[i]), None)
    if begin is None:
        return None
    first: SignalReport | None = None
    rank: int | None = None
    code: int | None = None
    other: SignalReport | None = None
    for index, line in enumerate(lines):
        if found := re.search(r"^\s*rank\s*: (\d+)", line):
            rank = int(found[1]) if index > begin and rank is None else rank
        elif found := re.search(r"^\s*exitcode\s*: (-?\d+)", line):
            ended = _named(int(found[1]), True, line)
            if index > begin:
                first, code = ended, int(found[1])
            elif ended and ended.name != "SIGTERM":
                other = other or ended
    return Endings(first=first, other=other, rank=rank, code=code, many=True)


def _signal_in(line: str) -> SignalReport | None:
    found = _ANNOUNCED.search(line)
    if found is None:
        return None
    if name := found["name"] or found["spawned"]:
        return SignalReport(name, found.group())
    if number := found["got"] or found["mpi"]:
        return _named(int(number), False, found.group())
    code = found["code"] or found["status"] or found["failed"]
    return _named(int(code), True, found.group())


def _shell(line: str) -> SignalReport | None:
    found = _SHELL.match(line)
    return SignalReport(_WORDS[found["words"]], line) if found and len(line) < 500 else None


def _named(number: int | None, is_code: bool, line: str | None = None) -> SignalReport | None:
    """The signal for a number or an exit code: negative, or above 128 as from a shell or container. None for any other."""
    if number is None:
        return None
    if is_code:
        number = -number if number < 0 else number - 128 if 128 < number < 160 else 0
    if number <= 0:
        return None
    return SignalReport(_NAMES.get(number, f"signal {number}"), line.strip() if line else None)
