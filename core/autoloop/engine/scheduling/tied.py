"""A run that continues from its checkpoint can execute only where the checkpoint is: on its host, or on any place that
shares its folder."""

from __future__ import annotations

from autoloop.model import LoopSpec, Run, Slot
from autoloop.runners.ssh.left import read_left


class CheckpointHosts:
    def __init__(self, spec: LoopSpec) -> None:
        self._apart = {host.name for host in spec.hosts if not host.shared}
        self._hosts: dict[tuple[str, int], str | None] = {}
        """By run and number of attempts: the host that has the checkpoint, which cannot change while the run waits."""

    def fits(self, run: Run, slot: Slot) -> bool:
        if not self._apart or not run.resume or run.output_dir is None:
            return True
        key = (run.id, run.attempts)
        if key not in self._hosts:
            left = read_left(run.output_dir)
            self._hosts[key] = left.host if left else None
        return self._hosts[key] == (slot.place if slot.place in self._apart else None)
