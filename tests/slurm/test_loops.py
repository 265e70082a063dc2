"""Loops whose runs are jobs of a real Slurm cluster."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from autoloop.engine.driver.unattended import stop_without_engine
from autoloop.engine.runs.presence import Presence, presences
from autoloop.gpus import Gpu, GpuReport
from autoloop.model import Attempt, Loop, LoopEndKind, LoopState, Run, RunState, SlurmSpec, TakenKind
from autoloop.protocol import Kill, Stop
from autoloop.runners.slurm import runner as slurm_runner

from tests.engine.project import EngineProject, rows
from tests.engine.resuming import PRESET
from tests.slurm.cluster import Cluster
from tests.support.processes import alive
from tests.support.senders import person

pytestmark = pytest.mark.slurm

JOBS = SlurmSpec(partition="gpu", poll=1.0, max_jobs=8)


def in_slurm(project: EngineProject, *configs: str, slurm: SlurmSpec = JOBS, **changes: Any) -> Loop:
    return project.loop(configs, device="cuda", slurm=slurm, **changes)


def begun(project: EngineProject, loop: Loop, count: int = 1, *, attempt: int = 1) -> list[Run]:
    """Wait until `count` runs have begun their attempt of this number on a node, and return the runs."""

    def all_begun() -> list[Run] | None:
        there = [each for each in project.attempts() if each.number == attempt and each.node]
        return project.runs(loop) if len(there) >= count else None

    found: list[Run] = project.until(all_begun, f"{count} runs: {project.story(loop)[-5:]}")
    return found


def attempts_of(project: EngineProject, run: Run) -> list[Attempt]:
    return [attempt for attempt in project.attempts() if attempt.run == run.id]


def job_of(attempt: Attempt) -> str:
    assert attempt.handle
    return str(attempt.handle["job"])


def seen(attempt: Attempt) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((Path(attempt.output_dir) / "seen.json").read_text())
    return value


def finished(project: EngineProject, loop: Loop) -> list[Run]:
    """Wait until the loop has ended, assert that all of its runs finished, and return them."""
    project.until(lambda: project.state(loop).state is not LoopState.ACTIVE, "the end of the loop")
    runs = project.runs(loop)
    assert {run.state for run in runs} == {RunState.FINISHED}, project.story(loop)
    return runs


def test_a_round_is_submitted_at_once_and_each_run_gets_its_own_gpu(project: EngineProject, cluster: Cluster) -> None:
    loop = in_slurm(project, *(project.config(f"c{i}", gate=str(project.gate())) for i in range(9)), slurm=TEN)
    with project.driven(loop):
        begun(project, loop, 8)
        waiting = project.until(lambda: [run for run in project.runs(loop) if run.waits], "the run that waits")
        project.until(lambda: "in use" in str(project.store.run(waiting[0].id).waits), "Slurm's reason")
        assert sorted(cluster.jobs().values()) == ["PENDING"] + ["RUNNING"] * 8
        nodes = [(each.node, seen(each)["gpus"]) for each in project.attempts() if each.node]
        assert sorted(nodes) == [(f"n{node}", gpu) for node in range(1, 5) for gpu in "01"]
        project.gate().touch()
        finished(project, loop)
    assert set(cluster.jobs().values()) == {"COMPLETED"}
    assert (project.folder / "reports" / "report.md").read_text().count(", partition gpu)") == 9
    for attempt in project.attempts():
        assert attempt.place == "slurm"
        assert job_of(attempt).isdigit()


TEN = SlurmSpec(partition="gpu", poll=1.0, max_jobs=10)


def test_stops_reach_what_runs_and_what_waits(project: EngineProject, cluster: Cluster) -> None:
    loop = in_slurm(project, *(project.config(f"c{i}", hang=True) for i in range(9)), slurm=TEN)
    with project.driven(loop) as driven:
        begun(project, loop, 8)
        waiting = next(run for run in project.runs(loop) if run.waits)
        running = [run for run in project.runs(loop) if not run.waits]
        driven.done(Stop(run=waiting.id))
        driven.done(Stop(run=running[0].id))
        driven.done(Kill(run=running[1].id))
        over = [waiting, *running[:2]]
        project.until(lambda: all(project.store.run(run.id).state is RunState.STOPPED for run in over), "the stops")
        first, stopped, killed = (attempts_of(project, run)[0] for run in over)
        assert first.exit.stopped_by == "stop"
        assert not (Path(first.directory) / "log.txt").exists()
        assert stopped.exit.stopped_by == "stop"
        assert stopped.exit.signal == signal.SIGINT
        assert (killed.exit.stopped_by, killed.exit.signal) == ("kill", signal.SIGKILL)
        driven.done(Stop())
        project.until(lambda: project.state(loop).state is LoopState.STOPPED, "the loop's end")
    project.until(lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(cluster.jobs().values()), "no job")
    assert not any(alive(seen(each)["pid"]) for each in project.attempts() if each.node)


def test_a_job_that_slurm_refuses_ends_the_loop_with_its_words(project: EngineProject) -> None:
    loop = in_slurm(project, project.config("a"), project.config("b"), slurm=SlurmSpec(gres="gpu:9", poll=1.0))
    ended = project.run(loop)
    assert ended.end.kind is LoopEndKind.FAILS_FOR_ALL
    assert "Requested node configuration is not available" in ended.end.text


def test_a_job_that_ends_before_the_supervisor_is_no_endless_retry(project: EngineProject) -> None:
    loop = in_slurm(project, project.config("a"), slurm=SlurmSpec(setup=["echo no such module >&2; exit 3"], poll=1.0))
    ended = project.run(loop)
    (run,) = project.runs(loop)
    assert run.state is RunState.FAILED
    assert "no such module" in str(run.reason), ended.end


@pytest.mark.parametrize("minutes", [2, 60])
def test_at_the_time_limit_a_run_continues_from_its_checkpoint(
    project: EngineProject, cluster: Cluster, minutes: int
) -> None:
    """With 2 minutes, Slurm sends the warning; with an hour, the test does."""
    lasting = project.folder / "lasting"
    lasting.touch()
    at = {"30": {"stops_at": 20, "gate": str(project.gate()), "only_while": str(lasting)}}
    preset = project.write("resuming.toml", PRESET)
    slurm = SlurmSpec(poll=1.0, time=str(minutes))
    loop = in_slurm(project, project.config("a", at=at), slurm=slurm, preset=preset, steps=30)
    with project.driven(loop):
        (run,) = begun(project, loop)
        project.until(lambda: project.runs(loop)[0].step >= 20, "20 steps")
        lasting.unlink()
        if minutes == 60:
            (job,) = cluster.jobs()
            cluster.ask("scancel", "--batch", "--signal=USR2", f"--name={job}")
        finished(project, loop)
    first, second = attempts_of(project, run)
    assert first.taken.kind is TakenKind.TIME_LIMIT
    assert first.output_dir == second.output_dir
    assert (first.result, second.from_step) == (RunState.STOPPED, 20)
    assert project.runs(loop)[0].step == 30


def test_a_preempted_run_is_no_failure_and_runs_again(project: EngineProject, cluster: Cluster) -> None:
    loop = in_slurm(project, *(project.config(f"c{i}", gate=str(project.gate())) for i in range(8)))
    with project.driven(loop):
        begun(project, loop, 8)
        script = project.write("urgent.sh", "#!/bin/sh\nsleep 3\n")
        cluster.ask("sbatch", "-p", "high", "--gres=gpu:2", "-J", "urgent", "-o", "/dev/null", script)
        begun(project, loop, 2, attempt=2)
        project.gate().touch()
        finished(project, loop)
    taken = [each for each in project.attempts() if each.taken]
    assert len(taken) == 2
    assert {each.taken.kind for each in taken} == {TakenKind.PREEMPTED}


def test_a_run_that_the_site_requeues_runs_again_as_a_new_attempt(project: EngineProject, cluster: Cluster) -> None:
    loop = in_slurm(project, project.config("a", gate=str(project.gate())))
    with project.driven(loop):
        (run,) = begun(project, loop)
        number = job_of(attempts_of(project, run)[0])
        cluster.ask("scontrol", "update", f"jobid={number}", "requeue=1")
        cluster.ask("scontrol", "requeue", number)
        begun(project, loop, attempt=2)
        project.gate().touch()
        finished(project, loop)
    first, second = attempts_of(project, run)
    assert first.taken.kind is TakenKind.PREEMPTED
    assert first.output_dir != second.output_dir
    assert not alive(seen(first)["pid"])


def test_a_node_is_lost_while_its_trainer_still_writes(
    project: EngineProject, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_runner, "SILENCE", 20.0)
    loop = in_slurm(project, project.config("a", rows=rows(2.0, 1.0), endless=True))
    with project.driven(loop) as driven:
        (run,) = begun(project, loop)
        (first,) = attempts_of(project, run)
        project.until(lambda: (Path(first.output_dir) / "seen.json").exists(), "the trainer")
        trainer = seen(first)["pid"]
        cluster.kill_node(str(first.node))
        assert alive(trainer)
        begun(project, loop, attempt=2)
        assert not alive(trainer)
        first, second = attempts_of(project, run)
        assert first.taken.kind is TakenKind.NODE_LOST
        assert first.output_dir != second.output_dir
        assert first.node != second.node
        driven.done(Stop())


def test_slurm_forgets_jobs_and_every_run_still_runs_once(
    project: EngineProject, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller dies in the seconds before it has saved new jobs."""
    monkeypatch.setattr(slurm_runner, "SILENCE", 20.0)
    monkeypatch.setattr(slurm_runner, "UNKNOWN", 10.0)
    loop = in_slurm(project, *(project.config(f"c{i}", gate=str(project.gate())) for i in range(8)))
    with project.driven(loop):
        begun(project, loop, 4)
        cluster.kill_controller()
        project.until(lambda: project.state(loop).unreachable, "the trouble")
        assert "Slurm has not answered since" in project.state(loop).unreachable["slurm"]
        cluster.start_controller()
        project.until(lambda: not project.state(loop).unreachable, "the end of the trouble")
        project.gate().touch()
        finished(project, loop)
    for run in project.runs(loop):
        completed = [each for each in attempts_of(project, run) if each.exit and each.exit.code == 0]
        assert len(completed) == 1, project.story(loop)
    project.until(lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(cluster.jobs().values()), "no job")


def test_an_engine_is_killed_and_the_next_finds_its_jobs(project: EngineProject, cluster: Cluster) -> None:
    loop = in_slurm(project, *(project.config(f"c{i}", gate=str(project.gate())) for i in range(9)), slurm=TEN)
    pid = project.spawn(loop)
    begun(project, loop, 8)
    project.kill_engine(pid)
    project.gate().touch()
    project.until(lambda: "RUNNING" not in cluster.jobs().values(), "the end of the jobs")
    assert project.run(loop).state == "finished"
    assert len(project.attempts()) == 9
    assert {attempt.result for attempt in project.attempts()} == {RunState.FINISHED}


BOOK = """
name = "cluster"
version = "1"
[[rule]]
id = "hopeless"
scope = "live"
when = "l1_loss.last > 5"
reason = "it gets nowhere"
[[rule]]
id = "more-lr"
when = "l1_loss.last > 0"
reason = "the loss is not zero"
changes = ["lr@mul=2"]
"""


def test_three_rounds_of_eight_runs_with_live_rules(project: EngineProject, cluster: Cluster) -> None:
    bad = project.config("bad", rows=rows(9.0, 8.0, 7.0), hang=True)
    good = [project.config(f"c{i}", lr=1.0 + i / 10) for i in range(7)]
    loop = in_slurm(
        project, bad, *good, rounds=3, decide=True, live=True, steps=100, rules=project.rules(BOOK), variants_per_run=1
    )
    ended = project.run(loop)
    assert ended.state is LoopState.FINISHED
    for number in (1, 2, 3):
        runs = project.runs(loop, number)
        stopped = [run for run in runs if run.state is RunState.STOPPED]
        assert len(stopped) == (number == 1), project.story(loop)
        assert {run.state for run in runs if run not in stopped} == {RunState.FINISHED}
    assert len(project.runs(loop)) == 8 + 7 + 7
    assert project.left_over() == []


def test_a_loop_without_an_engine_is_looked_at_and_stopped(project: EngineProject, cluster: Cluster) -> None:
    loop = in_slurm(project, *(project.config(f"c{i}", gate=str(project.gate())) for i in range(9)), slurm=TEN)
    pid = project.spawn(loop)
    runs = begun(project, loop, 8)
    project.kill_engine(pid)
    begun_on_a_node = {each.run for each in project.attempts() if each.node}
    found = presences(project.store, project.state(loop))
    assert found == {run.id: Presence.ALIVE if run.id in begun_on_a_node else Presence.SUBMITTED for run in runs}
    said = stop_without_engine(project.store, project.state(loop), None, kill=False, sender=person("ada"))
    assert "9 runs asked to stop" in said
    project.until(lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(cluster.jobs().values()), "the end of the jobs")
    project.gate().touch()
    assert project.run(loop).state is LoopState.FINISHED
    first = [attempt for attempt in project.attempts() if attempt.number == 1]
    assert {attempt.exit.stopped_by for attempt in first if attempt.exit} == {"stop"}
    assert {run.state for run in project.runs(loop)} == {RunState.FINISHED}


@pytest.mark.parametrize("cluster", [{"accounting": True, "memory": 2}], indirect=True)
def test_the_accounting_tells_what_slurm_has_forgotten(project: EngineProject, cluster: Cluster) -> None:
    """Runs are preempted while there is no engine, and Slurm has forgotten their jobs when the next engine starts."""
    loop = in_slurm(project, *(project.config(f"c{i}", gate=str(project.gate())) for i in range(8)))
    pid = project.spawn(loop)
    begun(project, loop, 8)
    project.kill_engine(pid)
    script = project.write("urgent.sh", "#!/bin/sh\nsleep 1\n")
    cluster.ask("sbatch", "-p", "high", "--gres=gpu:2", "-J", "urgent", "-o", "/dev/null", script)
    project.until(lambda: len([name for name in cluster.jobs() if name != "urgent"]) == 6, "the preempted jobs' end")
    project.gate().touch()
    project.until(lambda: not cluster.jobs(), "an empty queue")
    assert project.run(loop).state is LoopState.FINISHED
    assert {run.state for run in project.runs(loop)} == {RunState.FINISHED}
    taken = [attempt.taken.kind for attempt in project.attempts() if attempt.taken]
    assert taken == [TakenKind.PREEMPTED] * 2


def test_a_loop_uses_this_machine_and_the_cluster_at_once(project: EngineProject, cluster: Cluster) -> None:
    configs = [project.config(f"c{i}", gate=str(project.gate())) for i in range(3)]
    machine = GpuReport(gpus=(Gpu(index=5, name="a card"),))
    two = SlurmSpec(partition="gpu", poll=1.0, max_jobs=2)
    loop = project.loop(configs, device="cuda", slurm=two, gpus=[5], machine=machine)
    with project.driven(loop):
        begun(project, loop, 2)
        project.gate().touch()
        finished(project, loop)
    labels = {slot.index: slot.label for slot in loop.spec.slots}
    places = {labels[each.slot]: each.place for each in project.attempts()}
    assert places == {"gpu 5": "local", "slurm 1/2": "slurm", "slurm 2/2": "slurm"}
    assert {seen(each)["gpus"] for each in project.attempts() if each.place == "local"} == {"5"}
    assert len(cluster.jobs()) == 2
