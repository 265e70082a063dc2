"""Loops whose runs are on hosts: `ssh` is a script, and the hosts are other home folders on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.engine.runs import gpu_sampling
from autoloop.engine.runs.presence import Presence, presences
from autoloop.engine.scheduling.assign import assign
from autoloop.engine.scheduling.tied import CheckpointHosts
from autoloop.gpu_history import read_history
from autoloop.model import HostSpec, Loop, LoopSpec, LoopState, Run, RunState
from autoloop.protocol import Stop
from autoloop.runners.ssh.left import RemoteFiles, write_left
from autoloop.runners.ssh.runner import HostRunner

from tests.engine.project import EngineProject
from tests.runners.far_side import FarSide
from tests.support.waiting import eventually


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarSide]:
    far = FarSide(tmp_path / "far")
    monkeypatch.setenv("PATH", f"{far.programs}:{os.environ['PATH']}")
    yield far
    far.sweep()


def host(name: str, **more: Any) -> HostSpec:
    return HostSpec(name=name, folder=f"~/{name}", python=sys.executable, **more)


def on_hosts(project: EngineProject, *configs: str, **changes: Any) -> Loop:
    return project.loop(configs, hosts=[host("box1"), host("box2")], **changes)


def test_a_loop_of_two_rounds_runs_on_two_hosts(project: EngineProject, far: FarSide) -> None:
    loop = on_hosts(project, project.config("a"), project.config("b"), decide=True, rounds=2, variants_per_run=1)
    assert project.run(loop).state is LoopState.FINISHED, project.story(loop)
    runs = project.runs(loop)
    assert {run.state for run in runs} == {RunState.FINISHED}
    assert len(runs) == 4
    attempts = project.attempts()
    assert {attempt.place for attempt in attempts} == {"box1", "box2"}
    for attempt in attempts:
        assert attempt.node == os.uname().nodename
        assert (attempt.handle or {})["host"] == attempt.place
        assert attempt.where == f"{attempt.node} ({attempt.place})"
        assert (far.home / attempt.place / "attempts" / attempt.id / "exit.json").exists()
        assert attempt.exit is not None
        assert attempt.exit.code == 0
    assert all(run.summary and run.summary.metrics for run in runs), "their histories came here"
    report = (project.folder / "reports" / "report.md").read_text()
    assert "(box1)" in report
    assert "(box2)" in report


CARD = "0, GPU-a, H100, 60, 512, 81559, 300.0, 50"


def test_what_a_run_uses_of_the_gpus_of_its_host_is_kept_with_it(
    project: EngineProject, far: FarSide, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path_factory.mktemp("elsewhere") / "gate"  # outside of the project, because its paths differ on a host
    monkeypatch.setattr(gpu_sampling, "EVERY", 0.02)
    monkeypatch.setattr(gpu_sampling, "WRITE_EVERY", 0.02)
    smi = far.programs / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\ncase $1 in *query-gpu*) echo '{CARD}';; esac\n")
    smi.chmod(0o755)
    config = project.config("a", gate=str(gate))
    loop = project.loop([config], hosts=[host("box1", gpus=[0])], device="cuda")
    with project.driven(loop) as driven:

        def sampled() -> bool:
            attempts = project.attempts()
            history = read_history(Path(attempts[-1].directory)) if attempts else None
            return history is not None and sum(point.samples for point in history.points) >= 3

        driven.until(sampled, "the samples")
        far.cut()
        gate.touch()
        assert driven.end().state is LoopState.FINISHED
    (run,) = project.runs(loop)
    assert run.summary is not None
    assert run.summary.gpu is not None
    assert run.summary.gpu.gpus == 1
    assert (run.summary.gpu.utilisation, run.summary.gpu.power) == (pytest.approx(60), pytest.approx(300))
    assert run.summary.gpu.peak_memory_gib == 0.5


def test_nothing_starts_on_a_host_that_is_not_reached_and_a_stop_reaches_one_that_is(
    project: EngineProject, far: FarSide
) -> None:
    loop = on_hosts(project, project.config("a", hang=True), project.config("b", hang=True))
    with project.driven(loop) as driven:
        project.until(lambda: all(each.node for each in project.attempts()) and len(project.attempts()) == 2, "two runs")
        far.cut("ssh: connect to host box1 port 22: No route to host")
        project.until(lambda: set(project.state(loop).unreachable) == {"box1", "box2"}, "that they are not reached")
        assert {run.state for run in project.runs(loop)} == {RunState.RUNNING}
        far.mend()
        project.until(lambda: not project.state(loop).unreachable, "that they answer")
        driven.done(Stop())
        project.until(lambda: all(each.exit for each in project.attempts()), "their ends")
    assert [each.exit.stopped_by for each in project.attempts() if each.exit] == ["stop", "stop"]
    assert "box1 is reachable again" in project.story(loop)


def test_without_an_engine_a_host_is_not_asked(project: EngineProject, far: FarSide) -> None:
    loop = on_hosts(project, project.config("a", hang=True))
    with project.driven(loop):
        project.until(lambda: [each for each in project.attempts() if each.node], "the run")
    (attempt,) = project.attempts()
    os.utime(Path(attempt.directory) / "claim", (1, 1))
    assert presences(project.store, loop) == {attempt.run: Presence.UNSEEN}
    runner = HostRunner(loop.spec.hosts[0], loop.spec, 4 << 20)
    runner.reattach(attempt)
    runner.stop(attempt, kill=True)
    eventually(lambda: not runner.any_left(), "its end")
    runner.close()


def test_a_run_that_continues_goes_where_its_checkpoint_is(project: EngineProject, tmp_path: Path) -> None:
    spec = LoopSpec(configs=[], hosts=[host("box1"), host("box2"), host("nfs", shared=True)], device="cpu")
    loop = project.loop([project.config("a")])
    (fresh,) = project.runs(loop)
    (tmp_path / "out").mkdir()

    def resumed(name: str | None) -> Run:
        folder = tmp_path / "out" / str(name)
        folder.mkdir()
        if name is not None:
            write_left(folder, RemoteFiles(host=name, folder="/there"))
        return msgspec.structs.replace(fresh, id=f"r{name}", resume=True, output_dir=str(folder))

    queue = [resumed("box2"), resumed(None), fresh]
    pairs = assign(queue, spec.slots, (), CheckpointHosts(spec).fits)
    assert [(run.id, slot.place) for run, slot in pairs] == [("rbox2", "box2"), ("rNone", "nfs"), (fresh.id, "box1")]
    assert assign([resumed("box3")], spec.slots, (), CheckpointHosts(spec).fits) == []
