"""The places of a loop: a runner for each."""

from __future__ import annotations

from autoloop.model import LOCAL, SLURM, LoopSpec
from autoloop.runners.local_runner import LocalRunner
from autoloop.runners.runner import Runner


def runners_for(spec: LoopSpec, max_log: int) -> dict[str, Runner]:
    """A runner for each place, by the name of the place in slots and attempts. `max_log`: bytes kept of an attempt's log."""
    runners: dict[str, Runner] = {LOCAL: LocalRunner()}
    if spec.slurm is not None:
        from autoloop.runners.slurm.runner import SlurmRunner
        from autoloop.runners.slurm.script import default_gres

        runners[SLURM] = SlurmRunner(spec.slurm, default_gres(spec))
    if spec.hosts:
        from autoloop.runners.ssh.runner import HostRunner

        runners |= {host.name: HostRunner(host, spec, max_log) for host in spec.hosts}
    return runners
