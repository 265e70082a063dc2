"""One loop on this machine, a real Slurm cluster and a host with its own sshd. Needs the prerequisites of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.gpus import Gpu, GpuReport
from autoloop.model import HostSpec, LoopState, RunState, SlurmSpec
from autoloop.protocol import Stop

from tests.slurm.cluster import Cluster
from tests.ssh.conftest import project as host_project
from tests.ssh.hosts import SHARED, Lab, missing
from tests.ssh.project import HostProject

__all__ = ["host_project"]

pytestmark = [pytest.mark.slurm, pytest.mark.ssh]


@pytest.fixture
def lab(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A host in addition to the cluster."""
    if lacking := missing():
        pytest.skip(lacking)
    lab = Lab(tmp_path / "lab", ("box1",))
    monkeypatch.setenv("PATH", f"{lab.bin}:{cluster.env['PATH']}")
    try:
        yield lab
    finally:
        lab.close()


def test_a_loop_uses_this_machine_a_cluster_and_a_host_at_once(
    host_project: HostProject, lab: Lab, cluster: Cluster
) -> None:
    project, gate = host_project, lab.shared / "a.gate"
    configs = [project.config(f"c{i}", gate=str(gate)) for i in range(6)]
    loop = project.loop(
        configs,
        device="cuda",
        gpus=[5],
        machine=GpuReport(gpus=(Gpu(index=5, name="a card"),)),
        slurm=SlurmSpec(partition="gpu", poll=1.0, max_jobs=2),
        hosts=[HostSpec(name="box1", gpus=[0, 1], data={str(lab.shared): SHARED})],
        decide=True,
        rounds=2,
        variants_per_run=1,
    )
    labels = {slot.index: slot.label for slot in loop.spec.slots}
    assert sorted(labels.values()) == ["box1:gpu0", "box1:gpu1", "gpu 5", "slurm 1/2", "slurm 2/2"]
    with project.driven(loop) as driven:

        def all_begun() -> bool:
            return (
                sum(each.started_at is not None and (each.place == "local" or each.node is not None) for each in there())
                == 5
            )

        there = project.attempts
        driven.until(all_begun, f"five runs: {project.story(loop)[-5:]}")
        (queued,) = [run for run in project.runs(loop) if run.state is RunState.QUEUED]
        stopped = {place: next(each.run for each in there() if each.place == place) for place in ("slurm", "box1")}
        for run in stopped.values():
            driven.done(Stop(run=run))
        gate.touch()
        assert driven.end().state is LoopState.FINISHED
    runs = {run.id: run for run in project.runs(loop)}
    assert {runs[run].state for run in stopped.values()} == {RunState.STOPPED}
    assert {run.state for run in runs.values() if run.id not in stopped.values()} == {RunState.FINISHED}, project.story(loop)
    assert runs[queued.id].state is RunState.FINISHED
    assert {run.round for run in runs.values()} == {1, 2}

    attempts = project.attempts()
    assert len(attempts) == len(runs), "each run ran once"
    assert all(labels[each.slot].startswith({"local": "gpu 5"}.get(each.place, each.place)) for each in attempts)
    assert set(Counter(each.place for each in attempts)) == {"local", "slurm", "box1"}
    report = (project.folder / "reports" / "report.md").read_text()
    assert all(str(each.where) in report for each in attempts if each.place != "local")

    project.until(lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(cluster.jobs().values()), "a queue without jobs")
    project.until(lambda: not lab.hosts["box1"].processes(), "no process on the host")
    assert project.left_over() == []
