"""Limits of unattended loops: what makes them stop or wait, that they report it, and that they can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest
from autoloop.engine import Engine
from autoloop.engine.planning import limits
from autoloop.model import Loop, LoopSpec, LoopState, RunState, UserError
from autoloop.protocol import Approve, Hold, Reject, Resume

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.support.senders import person

HOUR = 3600.0


def clocked(clock: Callable[[], float]) -> Callable[[Engine], None]:
    def set_clock(engine: Engine) -> None:
        engine.context.clock = clock

    return set_clock


def test_a_loop_starts_no_more_runs_than_its_budget_and_goes_on_when_that_is_raised(project: EngineProject) -> None:
    loop = project.loop([project.config(f"c{i}") for i in range(3)], concurrency=2, rounds=2, decide=True, max_runs=4)
    ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert "4 of 4 runs" in (ended.reason or "")
    assert "resume --max-runs" in (ended.reason or "")
    assert "4 of 4 runs" in (project.folder / "reports" / "report.md").read_text()
    assert sorted(states(project.runs(loop))) == ["finished"] * 4 + ["queued"] * 2
    project.store.send(loop.id, Resume(max_runs=4), person("ada"))  # not higher than before, so it changes nothing
    assert project.run(loop).state is LoopState.STOPPED
    project.store.send(loop.id, Resume(max_runs=6), person("ada"))
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED] * 6


def test_a_retry_is_not_another_run_of_the_budget(project: EngineProject) -> None:
    counter = project.folder / "counter"
    passing = "RuntimeError: CUDA error: unspecified launch failure"
    configs = [project.config("a", traceback=passing, late=True, fails=1, counter=str(counter)), project.config("b")]
    loop = project.loop(configs, retries=1, max_runs=2)
    assert project.run(loop).state is LoopState.FINISHED
    assert [run.attempts for run in project.runs(loop)] == [2, 1]


def test_when_the_hours_are_over_running_runs_end_and_the_loop_stops_until_it_gets_more(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")], max_hours=2)
    hours = [0.0]
    with project.driven(loop, clocked(lambda: time.time() + hours[0] * HOUR)) as engine:
        project.trainer_pid(project.named(loop, "a").id)
        hours[0] = 2.5
        gate.touch()
        ended = engine.end()
    assert ended.state is LoopState.STOPPED
    assert "--max-hours" in (ended.reason or "")
    assert states(project.runs(loop)) == [RunState.FINISHED, RunState.QUEUED]
    project.store.send(loop.id, Resume(max_hours=1), person("ada"))
    with project.driven(loop, clocked(lambda: time.time() + hours[0] * HOUR)) as engine:
        assert engine.end().state is LoopState.FINISHED


def test_a_loop_that_waits_for_a_person_stops_when_its_hours_are_over(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", max_hours=2)
    hours = [0.0]
    with project.driven(loop, clocked(lambda: time.time() + hours[0] * HOUR)) as engine:
        engine.waiting()
        hours[0] = 3.0
        assert engine.end().state is LoopState.STOPPED
    assert [p.status for p in project.proposals(loop)] == ["pending"]


def test_no_run_starts_in_quiet_hours_and_the_loop_goes_on_after_them(project: EngineProject) -> None:
    day = time.localtime()
    noon = time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 12, 0, 0, 0, 0, -1))
    begun, now = time.time(), [noon]
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")], quiet_hours="22:00-07:00")
    with project.driven(loop, clocked(lambda: now[0] + time.time() - begun)) as engine:
        project.trainer_pid(project.named(loop, "a").id)
        now[0] = noon + 11 * HOUR
        gate.touch()
        engine.until(lambda: project.story(loop, "waiting"), "the quiet hours")
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the end of a")
        assert project.named(loop, "b").state is RunState.QUEUED
        assert "07:00" in project.story(loop, "waiting")[0]
        now[0] = noon + 20 * HOUR
        assert engine.end().state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2


@pytest.mark.parametrize(
    ("hours", "at", "until"),
    [
        ("22:00-07:00", "23:30", "07:00"),
        ("22:00-07:00", "06:59", "07:00"),
        ("22:00-07:00", "07:00", None),
        ("22:00-07:00", "21:59", None),
        ("09:00-17:30", "09:00", "17:30"),
        ("09:00-17:30", "17:30", None),
        ("0:00-8:00", "00:00", "08:00"),
    ],
)
def test_quiet_hours_by_the_clock_on_the_wall(hours: str, at: str, until: str | None) -> None:
    hour, minute = map(int, at.split(":"))
    now = time.mktime((2026, 3, 10, hour, minute, 30, 0, 0, -1))
    end = limits.quiet_until(hours, now)
    assert (time.strftime("%H:%M", time.localtime(end)) if end else None) == until
    assert end is None or now < end < now + 86400


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_hours": 0.0},
        {"max_hours": float("nan")},
        {"max_hours": float("inf")},
        {"max_runs": 0},
        {"quiet_hours": "22-7"},
        {"quiet_hours": "25:00-07:00"},
        {"quiet_hours": "07:00-07:00"},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError):
        limits.check_budget(LoopSpec(configs=[], **wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [Resume(max_hours=0), Resume(max_hours=1e9), Resume(max_runs=3), Resume(max_runs=10**7)])
def test_a_resume_with_limits_that_make_no_sense_is_refused(asked: Resume) -> None:
    loop = Loop(id=1, name="x", state=LoopState.ACTIVE, spec=LoopSpec(configs=[]), output_dir="", created_at=0.0, max_runs=3)
    with pytest.raises(UserError):
        limits.apply_resume_limits(asked, loop, 3, 0.0)


def test_three_early_failures_stop_the_loop_also_when_engines_died_between_them(project: EngineProject) -> None:
    gates = [project.gate(f"g{i}") for i in range(3)]
    configs = [project.config(f"broken{i}", gate=str(gates[i]), rows=[], code=1) for i in range(3)]
    # It may have started when the last failure is counted; then it is queued again.
    loop = project.loop([*configs, project.config("d", gate=str(project.gate("d")))])
    for i in range(2):
        with project.driven(loop) as engine:
            gates[i].touch()
            engine.until(partial(_has_failed, project, loop, f"broken{i}"), "the failure")
            engine.leave()
    gates[2].touch()
    ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert "3 runs in a row" in (ended.reason or "")
    assert states(project.runs(loop)) == [RunState.FAILED] * 3 + [RunState.QUEUED]
    project.gate("d").touch()
    assert project.run(loop).state is LoopState.FINISHED  # resumed: earlier failures do not count


def test_three_runs_of_a_round_out_of_memory_stop_the_loop_also_when_others_finish_between(project: EngineProject) -> None:
    full = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    configs = [
        project.config(f"{i}{'bad' if i % 2 else 'good'}", **({"traceback": full, "late": True} if i % 2 else {}))
        for i in range(6)
    ]
    loop = project.loop([*configs, project.config("last", gate=str(project.gate()))])
    ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert "3 runs of round 1 ran out of memory" in (ended.reason or "")
    assert states(project.runs(loop))[-1] is RunState.QUEUED
    project.gate().touch()
    assert project.run(loop).state is LoopState.FINISHED


def test_a_wait_that_becomes_another_is_said_again(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        engine.done(Reject(proposals=[proposal.id]))
        engine.until(lambda: len(project.story(loop, "waiting")) == 2, "the other wait")
        assert "no approved proposal" in project.story(loop, "waiting")[-1]
        engine.done(Hold())
        engine.done(Approve(proposals=[proposal.id]))
        engine.until(lambda: len(project.story(loop, "waiting")) == 3, "the third wait")
        assert "is held" in project.story(loop, "waiting")[-1]
        engine.leave()


def _has_failed(project: EngineProject, loop: Loop, name: str) -> bool:
    return project.named(loop, name).state is RunState.FAILED
