"""Loops whose runs are on three hosts that share nothing with this machine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import Attempt, Loop, LoopState, Run, RunState, TakenKind
from autoloop.protocol import Kill, Stop

from tests.engine.project import rows
from tests.ssh.hosts import Lab
from tests.ssh.project import HostProject

pytestmark = pytest.mark.ssh

BOOK = """
name = "hosts"
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


def three_rounds(project: HostProject) -> Loop:
    bad = project.config("bad", rows=rows(9.0, 8.0, 7.0), hang=True)
    good = [project.config(f"c{i}", lr=1.0 + i / 10) for i in range(7)]
    book = project.rules(BOOK)
    return project.on_hosts(bad, *good, rounds=3, decide=True, live=True, steps=100, rules=book, variants_per_run=1)


def went_well(project: HostProject, loop: Loop) -> None:
    """Assert that all of the three rounds ran, the hopeless run was stopped, and nothing was tried twice."""
    for number in (1, 2, 3):
        runs = project.runs(loop, number)
        stopped = [run for run in runs if run.state is RunState.STOPPED]
        assert len(stopped) == (number == 1), project.story(loop)
        assert {run.state for run in runs if run not in stopped} == {RunState.FINISHED}, project.story(loop)
        assert all(run.summary and run.summary.metrics["train/l1_loss"].last == 1.0 for run in runs if run not in stopped)
    assert len(project.runs(loop)) == len(project.attempts()) == 8 + 7 + 7
    nothing_is_left(project)


def nothing_is_left(project: HostProject) -> None:
    project.until(lambda: project.left_over() == [], "the end of all processes")
    project.until(lambda: not any(host.processes() for host in project.lab.hosts.values()), "no process on a host")


def finished(project: HostProject, loop: Loop) -> list[Run]:
    project.until(lambda: project.state(loop).state is not LoopState.ACTIVE, "the end of the loop")
    runs = project.runs(loop)
    assert {run.state for run in runs} == {RunState.FINISHED}, project.story(loop)
    nothing_is_left(project)
    return runs


def seen(attempt: Attempt) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((Path(attempt.output_dir) / "seen.json").read_text())
    return value


def test_three_rounds_of_eight_runs_with_live_rules(project: HostProject) -> None:
    loop = three_rounds(project)
    assert project.run(loop).state is LoopState.FINISHED
    went_well(project, loop)
    used = {(attempt.place, seen(attempt)["gpus"]) for attempt in project.attempts()}
    assert used == {(name, gpu) for name in project.lab.hosts for gpu in "01"}
    assert {attempt.node for attempt in project.attempts()} == set(project.lab.hosts)


def test_clocks_are_ten_minutes_apart(project: HostProject, lab: Lab) -> None:
    began = time.time()
    lab.hosts["box1"].set_clock(600.0)
    lab.hosts["box2"].set_clock(-600.0)
    loop = three_rounds(project)
    assert project.run(loop).state is LoopState.FINISHED
    went_well(project, loop)
    for attempt in project.attempts():
        assert attempt.started_at is not None
        assert attempt.ended_at is not None
        # In our clock, whatever the host's says.
        assert began - 5 < attempt.started_at < attempt.ended_at + 5
        assert attempt.ended_at < time.time() + 5


def test_a_line_is_slow(project: HostProject, lab: Lab) -> None:
    lab.hosts["box1"].link.latency = 0.15
    lab.hosts["box1"].link.rate = 100_000.0
    loop = three_rounds(project)
    assert project.run(loop).state is LoopState.FINISHED
    went_well(project, loop)


def test_a_line_is_cut_for_a_minute_and_everything_is_read_afterwards(project: HostProject, lab: Lab) -> None:
    loop = project.on_hosts(*(project.config(f"c{i}", gate=project.far_gate()) for i in range(6)))
    link = lab.hosts["box1"].link
    with project.driven(loop):
        project.begun(loop, 6)
        cut_at = time.monotonic()
        link.cut()
        project.open()
        others = [each.run for each in project.attempts() if each.place != "box1"]
        project.until(lambda: {project.state_of(run) for run in others} == {RunState.FINISHED}, "the others")
        project.until(lambda: project.state(loop).unreachable, "the trouble")
        assert "box1 has been unreachable since" in project.state(loop).unreachable["box1"]
        project.until(lambda: time.monotonic() - cut_at > 60, "a minute")
        cut_off = [each.run for each in project.attempts() if each.place == "box1"]
        assert {project.state_of(run) for run in cut_off} == {RunState.RUNNING}
        link.join()
        finished(project, loop)
    assert len(project.attempts()) == 6
    assert not project.state(loop).unreachable
    for run in project.runs(loop):
        assert run.summary is not None
        assert run.summary.metrics["train/l1_loss"].last == 1.0


def test_a_connection_breaks_off_and_nobody_is_told(project: HostProject, lab: Lab) -> None:
    loop = project.on_hosts(*(project.config(f"c{i}", gate=project.far_gate()) for i in range(6)))
    with project.driven(loop):
        project.begun(loop, 6)
        before = {name: host.link.connections for name, host in lab.hosts.items()}
        for host in lab.hosts.values():
            host.link.break_off()
        project.until(lambda: all(lab.hosts[name].link.connections > before[name] for name in before), "new connections")
        project.open()
        finished(project, loop)
    assert len(project.attempts()) == 6


def test_a_host_is_rebooted_and_its_runs_run_again(project: HostProject, lab: Lab) -> None:
    loop = project.on_hosts(*(project.config(f"c{i}", gate=project.far_gate()) for i in range(6)))
    with project.driven(loop):
        hit = [each.id for each in project.begun(loop, 6) if each.place == "box1"]
        lab.hosts["box1"].reboot()
        project.until(lambda: len([each for each in project.attempts() if each.number == 2 and each.node]) == 2, "new ones")
        project.open()
        finished(project, loop)
    attempts = {attempt.id: attempt for attempt in project.attempts()}
    assert len(attempts) == 8
    assert len(hit) == 2
    for id_ in hit:
        assert attempts[id_].taken.kind is TakenKind.NODE_LOST
        assert attempts[id_].result is RunState.LOST


def test_a_disk_is_full(project: HostProject, lab: Lab) -> None:
    """What has ended there is reported once there is space again; nothing starts there before."""
    host = lab.hosts["box1"]
    loop = project.on_hosts(*(project.config(f"c{i}", hang=i < 6, gate=project.far_gate()) for i in range(8)))
    with project.driven(loop) as driven:
        here = [each for each in project.begun(loop, 6) if each.place == "box1"]
        host.fill_disk()
        for each in here:
            driven.done(Stop(run=each.run))
        project.until(lambda: not host_trainers(lab, "box1"), "the end of the trainers")
        assert {project.state_of(each.run) for each in here} == {RunState.STOPPING}
        host.free_disk()
        project.until(lambda: {project.state_of(each.run) for each in here} == {RunState.STOPPED}, "the records")
        waiting = project.begun(loop, 2, on="box1")
        assert not {each.run for each in waiting} & {each.run for each in here}
        host.fill_disk()
        for each in waiting:
            driven.done(Stop(run=each.run))
        host.free_disk()
        driven.done(Stop())
        project.until(lambda: project.state(loop).state is LoopState.STOPPED, "the loop's end")
    nothing_is_left(project)


def host_trainers(lab: Lab, name: str) -> list[int]:
    return [pid for pid, words in lab.hosts[name].processes().items() if "train.py" in words]


def test_a_start_waits_while_the_disk_is_full(project: HostProject, lab: Lab) -> None:
    lab.hosts["box1"].fill_disk()
    loop = project.on_hosts(project.config("a"), hosts=project.hosts()[:1])
    with project.driven(loop):
        project.until(lambda: "No space left" in str(project.state(loop).unreachable), "why it waits")
        lab.hosts["box1"].free_disk()
        finished(project, loop)
    assert len(project.attempts()) == 1


def test_a_key_is_refused_and_other_hosts_do_the_work(project: HostProject, lab: Lab) -> None:
    lab.hosts["box1"].refuse_keys()
    loop = project.on_hosts(*(project.config(f"c{i}", gate=project.far_gate()) for i in range(6)))
    with project.driven(loop):
        project.until(lambda: project.state(loop).unreachable, "the trouble")
        assert "the host refuses your key" in project.state(loop).unreachable["box1"]
        project.begun(loop, 4)
        lab.hosts["box1"].accept_keys()
        project.begun(loop, 6)
        project.open()
        finished(project, loop)
    assert {each.place for each in project.attempts() if each.exit} == set(lab.hosts)


def test_stops_reach_runs_also_after_a_cut(project: HostProject, lab: Lab) -> None:
    loop = project.on_hosts(*(project.config(f"c{i}", hang=True) for i in range(6)))
    with project.driven(loop) as driven:
        begun = project.begun(loop, 6)
        by_place = {place: [each for each in begun if each.place == place] for place in lab.hosts}
        stopped, killed = by_place["box2"]
        driven.done(Stop(run=stopped.run))
        driven.done(Kill(run=killed.run))
        over = (stopped.run, killed.run)
        project.until(lambda: all(project.state_of(run) is RunState.STOPPED for run in over), "the stops")
        ends = {each.run: each.exit for each in project.attempts()}
        assert (ends[stopped.run].stopped_by, ends[killed.run].stopped_by) == ("stop", "kill")
        link = lab.hosts["box1"].link
        link.cut()
        for each in by_place["box1"]:
            driven.done(Stop(run=each.run))
        assert {project.state_of(each.run) for each in by_place["box1"]} == {RunState.STOPPING}
        link.join()
        project.until(lambda: {project.state_of(each.run) for each in by_place["box1"]} == {RunState.STOPPED}, "stops")
        driven.done(Stop())
        project.until(lambda: project.state(loop).state is LoopState.STOPPED, "the loop's end")
    nothing_is_left(project)


def test_an_engine_is_killed_and_the_next_finds_its_runs(project: HostProject) -> None:
    loop = project.on_hosts(*(project.config(f"c{i}", gate=project.far_gate()) for i in range(6)))
    pid = project.spawn(loop)
    project.begun(loop, 6)
    project.kill_engine(pid)
    project.open()
    project.until(lambda: not any(host_trainers(project.lab, name) for name in project.lab.hosts), "the trainers' end")
    assert project.run(loop).state is LoopState.FINISHED
    assert len(project.attempts()) == 6
    assert {attempt.result for attempt in project.attempts()} == {RunState.FINISHED}
    nothing_is_left(project)


def test_other_peoples_processes_on_a_card_are_respected(project: HostProject, lab: Lab) -> None:
    lab.hosts["box1"].set_cards(
        apps=[{"gpu_uuid": "GPU-1", "pid": "1", "used_gpu_memory": "9000", "process_name": "their.py"}]
    )
    loop = project.on_hosts(*(project.config(f"c{i}", gate=project.far_gate()) for i in range(2)), hosts=project.hosts()[:1])
    with project.driven(loop):
        project.begun(loop, 1)
        project.until(lambda: "their.py" in str(project.state(loop).slot_waits), "why the other waits")
        lab.hosts["box1"].set_cards()
        project.begun(loop, 2)
        project.open()
        finished(project, loop)
