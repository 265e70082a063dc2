"""Loops on a real Slurm cluster, with faults of engines, controller, nodes, daemons and jobs at random times."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest
from autoloop.model import Attempt, SlurmSpec
from autoloop.runners import procfs

from tests.engine.project import EngineProject
from tests.faults.storm import IMPATIENT, Blow, Storm, blows
from tests.slurm.cluster import NODES, Cluster
from tests.support.waiting import PATIENCE
from tests.support.witness import truth_is_told

pytestmark = pytest.mark.slurm

LOST = 25.0
"""Seconds until the cluster gives up a silent node, plus a margin."""


class SlurmStorm(Storm):
    ENGINE = IMPATIENT
    KINDS: ClassVar[dict[str, int]] = {
        **Storm.KINDS,
        "supervisor_killed": 1,
        "controller_killed": 3,
        "daemon_killed": 3,
        "node_crashed": 2,
        "node_cut_off": 1,
        "job_requeued": 2,
        "job_preempted": 1,
        "job_cancelled": 1,
    }

    def __init__(self, project: EngineProject, chance: random.Random, witness: Path, cluster: Cluster) -> None:
        super().__init__(project, chance, witness)
        self.cluster = cluster
        self._down: set[str] = set()
        """The nodes that will come back, and the controller."""

    def place(self) -> dict[str, Any]:
        return {"device": "cuda", "slurm": SlurmSpec(partition="gpu", poll=1.0, max_jobs=10)}

    def supervisor_killed(self, blow: Blow) -> bool:
        found = self.one_of(blow.which, "claim", "pid", "start_time")
        return any(procfs.send(pid, start_time, signal.SIGKILL) for pid, start_time in found)

    def controller_killed(self, blow: Blow) -> bool:
        if "controller" in self._down:
            return False
        self._down.add("controller")
        self.cluster.kill_controller()
        self.later(12 * blow.lasts, self._controller_again)
        return True

    def _controller_again(self) -> None:
        self._down.discard("controller")
        self.cluster.start_controller()

    def daemon_killed(self, blow: Blow) -> bool:
        """Kill the daemon of a node; its jobs continue, and it is back before Slurm notices."""
        return self._node_gone(blow, 8 * blow.lasts) is not None

    def node_cut_off(self, blow: Blow) -> bool:
        """Cut off a node; its jobs continue, but the cluster gives it up."""
        return self._node_gone(blow, LOST + 5 * blow.lasts) is not None

    def node_crashed(self, blow: Blow) -> bool:
        """Crash a node with everything that runs on it."""
        node = self._node_gone(blow, (LOST if blow.lasts > 0.8 else 8) * blow.lasts)
        if node is None:
            return False
        on_it = [attempt for attempt in self.project.attempts() if attempt.node == node and attempt.result is None]
        self.killed |= {attempt.id for attempt in on_it}  # a supervisor may have seen its trainer end before it was killed
        for pid in processes_of(on_it):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True

    def _node_gone(self, blow: Blow, seconds: float) -> str | None:
        up = [f"n{number}" for number in range(1, NODES + 1) if f"n{number}" not in self._down]
        if (node := self.one(blow, up)) is None:
            return None
        self._down.add(node)
        self.cluster.kill_node(node)
        self.later(seconds, lambda: self._node_again(node))
        return node

    def _node_again(self, node: str) -> None:
        self._down.discard(node)
        self.cluster.start_node(node)
        self._undrain()

    def _undrain(self) -> None:
        """Resume nodes on which a job could not be launched, as an administrator would."""
        if "controller" not in self._down:
            self.cluster.ask("scontrol", "update", f"nodename=n[1-{NODES}]", "state=resume")

    def job_requeued(self, blow: Blow) -> bool:
        if (job := self._job(blow, "RUNNING")) is None:
            return False
        self.cluster.ask("scontrol", "update", f"jobid={job}", "requeue=1")
        self.cluster.ask("scontrol", "requeue", job)
        return True

    def job_preempted(self, blow: Blow) -> bool:
        if "controller" in self._down:
            return False
        script = self.project.write("urgent.sh", f"#!/bin/sh\nsleep {3 * blow.lasts:.1f}\n")
        self.cluster.ask("sbatch", "-p", "high", "--gres=gpu:2", "-J", "urgent", "-o", "/dev/null", script)
        return True

    def job_cancelled(self, blow: Blow) -> bool:
        if (job := self._job(blow, "RUNNING", "PENDING")) is None:
            return False
        self.cluster.ask("scancel", job)
        return True

    def _job(self, blow: Blow, *states: str) -> str | None:
        if "controller" in self._down:
            return None
        lines = self.cluster.ask("squeue", "-h", "-p", "gpu", "-t", ",".join(states), "-o", "%i").splitlines()
        return self.one(blow, sorted(lines))

    def await_end(self, engine: subprocess.Popen[bytes]) -> None:
        """Wait, and keep resuming nodes: a controller that has lost a job's data may drain the job's node until the end."""
        until = time.monotonic() + 2 * PATIENCE
        while engine.poll() is None and time.monotonic() < until:
            self._undrain()
            time.sleep(1)
        super().await_end(engine)

    def calm(self) -> None:
        """Also release jobs held in the queue: Slurm may requeue a job just as it ends; when released, it does nothing."""
        super().calm()
        self.cluster.ask("scancel", "--name=urgent")
        try:
            self.project.until(self._no_job, "a queue without jobs")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.cluster.all_that_it_knows()}") from None
        truth_is_told(self.project, self.loop, self.witness, self.asked, self.killed)

    def _no_job(self) -> bool:
        self._undrain()
        for job in self.cluster.ask("squeue", "-h", "-t", "PENDING", "-o", "%i").splitlines():
            self.cluster.ask("scontrol", "release", job)
        return not {"PENDING", "RUNNING", "COMPLETING"} & set(self.cluster.jobs().values())


def processes_of(attempts: list[Attempt]) -> list[int]:
    """Return all processes of these attempts, those of the jobs first."""
    jobs = {f"[{attempt.handle['job']}.".encode() for attempt in attempts if attempt.handle}
    marks = {f"AUTOLOOP_ATTEMPT={attempt.id}".encode() for attempt in attempts}
    folders = {attempt.directory.encode() for attempt in attempts}
    stepds, others = [], []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            if words.startswith(b"slurmstepd: ") and any(job in words for job in jobs):
                stepds.append(int(entry.name))
            elif folders & set(words.split(b"\0")) or marks & set((entry / "environ").read_bytes().split(b"\0")):
                others.append(int(entry.name))
    return stepds + others


@pytest.mark.seeds(20)
def test_nothing_is_lost_doubled_or_told_wrongly(
    project: EngineProject, cluster: Cluster, tmp_path: Path, seed: int
) -> None:
    """50 faults, over as many loops of 3 rounds with 8 runs as necessary."""
    chance = random.Random(f"{seed} slurm")
    planned = blows(chance, 50, SlurmStorm.KINDS)
    witness = tmp_path / "witness"
    witness.mkdir()
    hit: Counter[str] = Counter()
    loops = 0
    while planned:
        with closing(SlurmStorm(project, chance, witness, cluster)) as storm:
            storm.rage(planned)
            storm.calm()
            hit += storm.hit
            loops += 1
    results = Counter(str(attempt.result) for attempt in project.attempts())
    print(f"  {hit.total()} faults over {loops} loops: {dict(hit)}; attempts: {dict(results)}")
