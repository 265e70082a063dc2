"""Short storms over hosts and Slurm in every run of the suite; `make test-ssh` and `make test-slurm` run long ones with
real sshd and Slurm."""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from autoloop.model import HostSpec, SlurmSpec

from tests.engine.project import EngineProject
from tests.faults.storm import IMPATIENT, Blow, Storm, blows
from tests.runners.far_side import FarSide
from tests.runners.slurm_stand_in import SlurmStandIn

HOSTS = [HostSpec(name=name, max=2, python=sys.executable) for name in ("near", "far")]


class ShortStorm(Storm):
    ROUNDS, RUNS, LONGEST = 2, 4, 0.5
    silent = False


class HostStorm(ShortStorm):
    KINDS: ClassVar[dict[str, int]] = {**Storm.KINDS, "supervisor_killed": 1, "connections_cut": 3, "connections_refused": 1}

    def __init__(self, project: EngineProject, chance: random.Random, witness: Path, side: FarSide) -> None:
        super().__init__(project, chance, witness)
        self.side = side

    def place(self) -> dict[str, Any]:
        return {"hosts": HOSTS}

    def supervisor_killed(self, blow: Blow) -> bool:
        found = self.one_of(blow.which, "claim", "pid", "start_time")
        for pid, _ in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)

    def connections_cut(self, blow: Blow) -> bool:
        self.side.cut()
        return True

    def connections_refused(self, blow: Blow) -> bool:
        if self.silent:
            return False
        self.silent = True
        self.side.cut("Permission denied (publickey).")
        self.later(blow.lasts, self._answers)
        return True

    def _answers(self) -> None:
        self.silent = False
        self.side.mend()


class SlurmStorm(ShortStorm):
    ENGINE = IMPATIENT
    KINDS: ClassVar[dict[str, int]] = {**Storm.KINDS, "controller_silent": 2, "job_cancelled": 1}

    def __init__(self, project: EngineProject, chance: random.Random, witness: Path, slurm: SlurmStandIn) -> None:
        super().__init__(project, chance, witness)
        self.slurm = slurm

    def place(self) -> dict[str, Any]:
        return {"slurm": SlurmSpec(poll=1.0, max_jobs=4)}

    def controller_silent(self, blow: Blow) -> bool:
        if self.silent:
            return False
        self.silent = True
        self.slurm.fall_silent()
        self.later(2 * blow.lasts, self._answers)
        return True

    def _answers(self) -> None:
        self.silent = False
        self.slurm.answer()

    def job_cancelled(self, blow: Blow) -> bool:
        name = self.one(blow, self.slurm.running())
        if name is not None:
            self.slurm.cancel(name)
        return name is not None


def rages(storm: Storm, chance: random.Random) -> None:
    with closing(storm):
        storm.rage(blows(chance, 12, storm.KINDS, longest=0.6))
        storm.calm()
        print(f"  {storm.hit.total()} faults: {dict(storm.hit)}")


@pytest.mark.seeds(1)
def test_nothing_is_lost_doubled_or_told_wrongly_over_hosts(
    project: EngineProject, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    side = FarSide(tmp_path_factory.mktemp("side"))
    monkeypatch.setenv("PATH", f"{side.programs}{os.pathsep}{os.environ['PATH']}")
    chance = random.Random(f"{seed} hosts")
    rages(HostStorm(project, chance, tmp_path_factory.mktemp("witness"), side), chance)


@pytest.mark.seeds(1)
def test_nothing_is_lost_doubled_or_told_wrongly_over_slurm(
    project: EngineProject, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    slurm = SlurmStandIn(tmp_path_factory.mktemp("slurm"))
    monkeypatch.setenv("PATH", f"{slurm.programs}{os.pathsep}{os.environ['PATH']}")
    chance = random.Random(f"{seed} slurm")
    rages(SlurmStorm(project, chance, tmp_path_factory.mktemp("witness"), slurm), chance)
    assert slurm.running() == []
