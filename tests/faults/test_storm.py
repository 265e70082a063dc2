"""A short storm over hosts, in every run of the suite; long ones over real sshd and Slurm are `make test-ssh` and
`make test-slurm`."""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from autoloop.model import HostSpec

from tests.engine.project import EngineProject
from tests.faults.storm import Blow, Storm, blows
from tests.runners.far_side import FarSide

HOSTS = [HostSpec(name=name, max=2, python=sys.executable) for name in ("near", "far")]


class ShortStorm(Storm):
    ROUNDS, RUNS, LONGEST = 2, 4, 0.5
    KINDS: ClassVar[dict[str, int]] = {**Storm.KINDS, "supervisor_killed": 1, "connections_cut": 3, "connections_refused": 1}

    def __init__(self, project: EngineProject, chance: random.Random, witness: Path, side: FarSide) -> None:
        super().__init__(project, chance, witness)
        self.side = side
        self._refuses = False

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
        if self._refuses:
            return False
        self._refuses = True
        self.side.cut("Permission denied (publickey).")
        self.later(blow.lasts, self._answers)
        return True

    def _answers(self) -> None:
        self._refuses = False
        self.side.mend()


@pytest.mark.seeds(1)
def test_nothing_is_lost_doubled_or_told_wrongly(
    project: EngineProject, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    side = FarSide(tmp_path_factory.mktemp("side"))
    monkeypatch.setenv("PATH", f"{side.programs}{os.pathsep}{os.environ['PATH']}")
    chance = random.Random(f"{seed} short")
    planned = blows(chance, 12, ShortStorm.KINDS, longest=0.6)
    with closing(ShortStorm(project, chance, tmp_path_factory.mktemp("witness"), side)) as storm:
        storm.rage(planned)
        storm.calm()
        print(f"  {storm.hit.total()} faults: {dict(storm.hit)}")
