"""`sbatch`, `squeue` and `scancel` on PATH that run jobs on this machine, immediately and without limit.

Standard library only. As a program, it is called through links with these names; its state is in their folder.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

NAMES = ("sbatch", "squeue", "scancel")


class SlurmStandIn:
    """The stand-in; put `programs` on PATH."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        (folder / "bin/jobs").mkdir()
        for name in NAMES:
            path = self.programs / name
            path.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} {self.programs} {name} "$@"\n')
            path.chmod(0o755)

    def fall_silent(self) -> None:
        (self.programs / "silent").touch()

    def answer(self) -> None:
        (self.programs / "silent").unlink()

    def running(self) -> list[str]:
        """Return the names of the running jobs."""
        return sorted(path.name for path in (self.programs / "jobs").iterdir() if alive(path))

    def cancel(self, name: str) -> None:
        """Cancel a job from outside, not through Auto Loop."""
        cancel(self.programs / "jobs" / name)


def alive(job: Path) -> bool:
    pid = job.read_text().split()[1]
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def state(job: Path) -> str:
    return "RUNNING" if alive(job) else "CANCELLED" if "cancelled" in job.read_text() else "FAILED"


def cancel(job: Path) -> None:
    if alive(job):
        with job.open("a", encoding="ascii") as file:
            file.write("cancelled\n")
        send(job, signal.SIGTERM)


def send(job: Path, number: int) -> None:
    try:
        os.kill(int(job.read_text().split()[1]), number)
    except ProcessLookupError:
        return


def sbatch(jobs: Path, given: "dict[str, str]", script: str) -> None:
    """The file of a job is named after it, and holds its number and pid."""
    number = len(os.listdir(jobs)) + 1
    env = {**os.environ, "SLURM_JOB_ID": str(number), "SLURMD_NODENAME": "n1"}
    with open(given["output"], "ab") as output:
        process = subprocess.Popen(
            ["/bin/bash", script], env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    fresh = jobs.parent / f"fresh.{os.getpid()}"
    fresh.write_text(f"{number} {process.pid}\n", encoding="ascii")
    fresh.rename(jobs / given["job-name"])
    print(number)


def main(folder: Path, command: str, words: "list[str]") -> int:
    jobs = folder / "jobs"
    if (folder / "silent").exists():
        print(f"{command}: error: Unable to contact slurm controller (connect failure)", file=sys.stderr)
        return 1
    given = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
    if command == "sbatch":
        sbatch(jobs, given, words[-1])
        return 0
    named = [jobs / name for name in given["name"].split(",") if (jobs / name).exists()]
    for job in named:
        if command == "squeue":
            print(f"{job.read_text().split()[0]}|{state(job)}|None|n1|0|gpu|{job.name}")
        elif "signal" in given:
            send(job, getattr(signal, f"SIG{given['signal']}"))
        elif "state" not in given:  # no job is ever pending here
            cancel(job)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
