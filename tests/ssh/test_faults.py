"""Loops on three hosts, with faults of engines, connections, disks, keys and processes at random times."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.faults.storm import Blow, Storm, blows
from tests.ssh.hosts import SHARED, Host, Lab
from tests.ssh.project import HostProject

pytestmark = pytest.mark.ssh


class HostStorm(Storm):
    KINDS: ClassVar[dict[str, int]] = {
        **Storm.KINDS,
        "supervisor_killed": 1,
        "line_cut": 4,
        "line_broken": 5,
        "line_slow": 1,
        "host_rebooted": 3,
        "disk_filled": 2,
        "key_refused": 1,
    }

    def __init__(self, project: HostProject, chance: random.Random, witness: Path, lab: Lab) -> None:
        self.lab = lab
        self._hosts = project.hosts()
        super().__init__(project, chance, witness)
        self._broken: set[str] = set()

    def place(self) -> dict[str, Any]:
        return {"device": "cuda", "hosts": self._hosts}

    def behaviour(self, chance: random.Random) -> dict[str, Any]:
        return {**super().behaviour(chance), "witness": f"{SHARED}/{self.witness.name}"}

    def supervisor_killed(self, blow: Blow) -> bool:
        everywhere = [each for host in self.lab.hosts.values() for each in host.processes().items()]
        pid = self.one(blow, sorted(pid for pid, words in everywhere if "supervisor.py" in words))
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def line_cut(self, blow: Blow) -> bool:
        """Cut a connection silently; sometimes for so long that ssh itself notices."""
        host = self._break(blow, 70 if blow.lasts > 0.95 else 10 * blow.lasts, lambda host: host.link.join())
        if host:
            host.link.cut()
        return host is not None

    def line_broken(self, blow: Blow) -> bool:
        host = self.one(blow, list(self.lab.hosts.values()))
        assert host
        host.link.break_off()
        return True

    def line_slow(self, blow: Blow) -> bool:
        def quick(host: Host) -> None:
            host.link.latency = host.link.rate = 0.0

        if host := self._break(blow, 10 * blow.lasts, quick):
            host.link.latency, host.link.rate = 0.2, 50_000.0
        return host is not None

    def host_rebooted(self, blow: Blow) -> bool:
        if host := self._break(blow, 8 * blow.lasts, Host.up):
            host.down()
        return host is not None

    def disk_filled(self, blow: Blow) -> bool:
        """Fill a host's disk, which may make trainers fail."""
        if host := self._break(blow, 8 * blow.lasts, Host.free_disk):
            here = [each for each in self.project.attempts() if each.place == host.name and each.result is None]
            self.killed |= {attempt.id for attempt in here}
            host.fill_disk()
        return host is not None

    def key_refused(self, blow: Blow) -> bool:
        if host := self._break(blow, 8 * blow.lasts, Host.accept_keys):
            host.refuse_keys()
            host.link.break_off()
        return host is not None

    def _break(self, blow: Blow, seconds: float, mend: Callable[[Host], None]) -> Host | None:
        """Pick a host without a fault and schedule its repair after `seconds`. Return None if there is none."""
        host = self.one(blow, [host for name, host in self.lab.hosts.items() if name not in self._broken])
        if host is None:
            return None
        self._broken.add(host.name)

        def mended() -> None:
            self._broken.discard(host.name)
            mend(host)

        self.later(seconds, mended)
        return host

    def calm(self) -> None:
        super().calm()
        self.project.until(lambda: not any(host.processes() for host in self.lab.hosts.values()), "no process on a host")


@pytest.mark.seeds(20)
def test_nothing_is_lost_doubled_or_told_wrongly(project: HostProject, lab: Lab, seed: int) -> None:
    """50 faults, over as many loops of 3 rounds with 8 runs as necessary."""
    chance = random.Random(f"{seed} ssh")
    planned = blows(chance, 50, HostStorm.KINDS)
    witness = lab.shared / "witness"
    witness.mkdir()
    hit: Counter[str] = Counter()
    loops = 0
    while planned:
        with closing(HostStorm(project, chance, witness, lab)) as storm:
            storm.rage(planned)
            storm.calm()
            hit += storm.hit
            loops += 1
    results = Counter(str(attempt.result) for attempt in project.attempts())
    print(f"  {hit.total()} faults over {loops} loops: {dict(hit)}; attempts: {dict(results)}")
