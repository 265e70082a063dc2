"""Engines that end in various ways, and the next engine, which takes over their loop."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import msgspec
import pytest
from autoloop import reports
from autoloop.engine import Engine, holder
from autoloop.model import Attempt, Loop, LoopState, RunState, StopCause, StopKind
from autoloop.protocol import Approve, Kill, Stop
from autoloop.runners import local
from autoloop.settings import Settings
from autoloop.store import Store

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.support.databases import Died
from tests.support.processes import alive, bystander, supervisor_pid
from tests.support.waiting import eventually


def test_runs_outlive_a_killed_engine_and_the_next_one_adopts_and_finishes_them(project: EngineProject) -> None:
    gate = project.gate("go")
    configs = [project.config("a", gate=str(gate)), project.config("b", gate=str(gate)), project.config("c")]
    loop = project.loop(configs, concurrency=2)
    engine = project.spawn(loop)
    running = project.runs(loop)[:2]
    pids = [project.trainer_pid(run.id) for run in running]
    project.kill_engine(engine)
    assert holder(project.store.places.lock(loop.name)) is None
    assert all(alive(pid) for pid in pids)
    with project.driven(loop) as next_engine:
        next_engine.until(lambda: len(project.story(loop, "run adopted")) == 2, "the adoption")
        assert [project.trainer_pid(run.id) for run in running] == pids
        gate.touch()
        assert next_engine.end().state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED] * 3
    assert [run.attempts for run in project.runs(loop)] == [1, 1, 1]
    assert project.left_over() == []


def test_an_adopted_run_keeps_its_slot(project: EngineProject) -> None:
    gate, other = project.gate("go"), project.gate("other")
    configs = [project.config("a"), project.config("b", gate=str(gate)), project.config("c", gate=str(other))]
    loop = project.loop(configs, concurrency=2)
    engine = project.spawn(loop)
    b = project.runs(loop)[1]
    project.trainer_pid(b.id)
    project.trainer_pid(project.runs(loop)[2].id)
    project.kill_engine(engine)
    with project.driven(loop) as next_engine:
        next_engine.until(lambda: len(project.story(loop, "run adopted")) == 2, "the adoption")
        assert [project.named(loop, name).slot for name in "bc"] == [1, 0]
        other.touch()
        gate.touch()
        next_engine.end()
    assert len(project.store.loop_attempts(loop.id)) == 3


def test_an_adopted_run_can_be_stopped(project: EngineProject) -> None:
    loop = project.loop([project.config("a", hang=True)])
    engine = project.spawn(loop)
    (run,) = project.runs(loop)
    project.trainer_pid(run.id)
    project.kill_engine(engine)
    with project.driven(loop) as next_engine:
        next_engine.done(Stop(run=run.id))
        next_engine.end()
    assert states(project.runs(loop)) == [RunState.STOPPED]
    assert project.left_over() == []


def test_a_run_that_ended_while_no_engine_was_alive_is_summarised_by_the_next(project: EngineProject) -> None:
    gate = project.gate("go")
    configs = [project.config("a", gate=str(gate)), project.config("b", gate=str(gate), code=9)]
    loop = project.loop(configs, concurrency=2)
    engine = project.spawn(loop)
    attempts = []
    for run in project.runs(loop):
        project.trainer_pid(run.id)
        attempts += project.store.attempts(run.id)
    project.kill_engine(engine)
    gate.touch()
    eventually(lambda: not any(map(supervisor_pid, attempts)), "the end of the supervisors")
    assert states(project.runs(loop)) == [RunState.RUNNING] * 2
    assert project.run(loop).state is LoopState.FINISHED
    a, b = project.runs(loop)
    assert states([a, b]) == [RunState.FINISHED, RunState.FAILED]
    assert a.summary is not None
    assert a.summary.metrics["train/l1_loss"].last == 1.0
    assert "exited with code 9" in (b.reason or "")
    assert {a.output_dir, b.output_dir} <= set(project.summary())
    exited = json.loads((Path(attempts[0].directory) / "exit.json").read_text())
    assert a.ended_at == exited["ended_at"]


def test_a_result_that_missed_the_report_because_its_engine_died_is_in_the_report_of_the_next(
    project: EngineProject,
) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a"), project.config("b", gate=str(gate))])
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the end of a")
        project.trainer_pid(project.named(loop, "b").id)
        engine.leave()
    # The state after a kill between the commit of a's result and its line in the report.
    (project.folder / "reports" / "autorun_summary.json").unlink()
    gate.touch()
    project.run(loop)
    assert set(project.summary()) == {run.output_dir for run in project.runs(loop)}


def test_a_killed_supervisor_loses_its_run_with_a_reason_and_leaves_no_process(project: EngineProject) -> None:
    note = project.folder / "grandchild"
    loop = project.loop([project.config("a", hang=True, stubborn=True, detach=str(note)), project.config("b")])
    with project.driven(loop) as engine:
        (a, _) = project.runs(loop)
        trainer = project.trainer_pid(a.id)
        engine.until(note.exists, "the grandchild")
        kill_supervisor(project, a.id)
        assert engine.end().state is LoopState.FINISHED
    a, b = project.runs(loop)
    assert states([a, b]) == [RunState.LOST, RunState.FINISHED]
    assert "supervisor was killed" in (a.reason or "")
    for pid in (trainer, int(note.read_text())):
        assert not alive(pid)
    assert project.left_over() == []


def kill_supervisor(project: EngineProject, run: str) -> None:
    pid = supervisor_pid(project.store.attempts(run)[-1])
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_engine_and_supervisor_killed_together_lose_the_run_and_leave_no_process(project: EngineProject) -> None:
    loop = project.loop([project.config("a", hang=True, stubborn=True), project.config("b")])
    engine = project.spawn(loop)
    (a, _) = project.runs(loop)
    trainer = project.trainer_pid(a.id)
    project.kill_engine(engine)
    kill_supervisor(project, a.id)
    assert alive(trainer)
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.LOST, RunState.FINISHED]
    assert not alive(trainer)
    assert project.left_over() == []


def test_a_lost_run_is_tried_again_if_retries_were_asked_for(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))], retries=1)
    with project.driven(loop) as engine:
        (run,) = project.runs(loop)
        project.trainer_pid(run.id)
        kill_supervisor(project, run.id)
        engine.until(lambda: len(project.store.attempts(run.id)) == 2, "the second attempt")
        gate.touch()
        engine.end()
    assert [attempt.result for attempt in project.store.attempts(run.id)] == ["lost", "finished"]


def test_a_killed_trainer_is_a_failed_run_and_the_loop_goes_on(project: EngineProject) -> None:
    loop = project.loop([project.config("a", hang=True), project.config("b")])
    with project.driven(loop) as engine:
        (a, _) = project.runs(loop)
        os.kill(project.trainer_pid(a.id), signal.SIGKILL)
        assert engine.end().state is LoopState.FINISHED
    a, b = project.runs(loop)
    assert states([a, b]) == [RunState.FAILED, RunState.FINISHED]
    assert "SIGKILL" in (a.reason or "")


def test_a_run_of_before_a_reboot_is_lost_and_its_pid_is_left_alone(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    engine = project.spawn(loop)
    (a, _) = project.runs(loop)
    trainer = project.trainer_pid(a.id)
    project.kill_engine(engine)
    (attempt,) = project.store.attempts(a.id)
    kill_supervisor(project, a.id)
    os.kill(trainer, signal.SIGKILL)
    eventually(lambda: not project.left_over(), "the end of everything")
    # The same pid, but from another boot: an unrelated process.
    assert attempt.handle is not None
    with bystander() as process:
        reused = {**attempt.handle, "pid": process, "boot_id": "00000000-0000-0000-0000-000000000000"}
        project.store.put_attempt(msgspec.structs.replace(attempt, handle=reused), loop.id)
        assert project.run(loop).state is LoopState.FINISHED
        assert alive(process)
    a, b = project.runs(loop)
    assert states([a, b]) == [RunState.LOST, RunState.FINISHED]
    assert "restarted" in (a.reason or "")


def test_an_engine_that_gets_sigterm_leaves_and_its_runs_go_on(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    engine = project.spawn(loop)
    trainer = project.trainer_pid(project.runs(loop)[0].id)
    project.kill_engine(engine, signal.SIGTERM)
    assert alive(trainer)
    assert project.state(loop).state is LoopState.ACTIVE
    assert any("SIGTERM" in text for text in project.story(loop, "engine left"))
    assert states(project.runs(loop)) == [RunState.RUNNING, RunState.QUEUED]
    gate.touch()
    assert project.run(loop).state is LoopState.FINISHED
    assert [run.attempts for run in project.runs(loop)] == [1, 1]


def test_a_detached_engine_ignores_a_closed_terminal_and_ctrl_c(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))])
    engine = project.spawn(loop)
    project.trainer_pid(project.runs(loop)[0].id)
    os.kill(engine, signal.SIGHUP)
    os.kill(engine, signal.SIGINT)
    gate.touch()
    project.wait_engine(engine)
    assert project.state(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED]


def test_a_suspended_engine_goes_on_where_it_was(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    engine = project.spawn(loop)
    (a, _) = project.runs(loop)
    project.trainer_pid(a.id)
    os.kill(engine, signal.SIGSTOP)
    gate.touch()
    (attempt,) = project.store.attempts(a.id)
    eventually(lambda: supervisor_pid(attempt) is None, "the end of a")
    assert project.named(loop, "a").state is RunState.RUNNING
    os.kill(engine, signal.SIGCONT)
    project.wait_engine(engine)
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2


def test_a_decision_that_was_waited_for_is_still_waited_for_after_a_crash(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    engine = project.spawn(loop)
    eventually(lambda: project.story(loop, "waiting"), "the wait")
    before = project.proposals(loop)
    project.kill_engine(engine)
    with project.driven(loop) as next_engine:
        next_engine.done(Approve(proposals=[before[0].id]))
        assert next_engine.end().state is LoopState.FINISHED
    assert [proposal.id for proposal in project.proposals(loop)] == [before[0].id]
    assert len(project.runs(loop, 2)) == 1


def test_reports_made_anew_from_the_store_are_the_same(project: EngineProject) -> None:
    configs = [project.config("a"), project.config("b", traceback="ValueError: x", late=True)]
    loop = project.loop(configs, rounds=2, decide=True)
    project.run(loop)
    folder = project.folder / "reports"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(before) == {"autorun_summary.json", "report.md"}
    for path in folder.iterdir():
        path.unlink()
    assert reports.write_summary(project.store, loop.id) is None
    assert reports.write_markdown(project.store, loop.id, Settings().loop_book(project.state(loop).spec)) is None
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def engine_dies_before_it_stores_the_handle(project: EngineProject, loop: Loop) -> Attempt:
    """Let the engine die when trainer and supervisor run but the store knows neither; return the attempt as recorded."""
    with Store.open(project.folder) as store:
        engine = Engine(store, loop)
        put = store.put_attempt

        def put_or_die(attempt: Attempt, number: int) -> None:
            if attempt.handle is not None:
                raise Died
            put(attempt, number)

        store.put_attempt = put_or_die  # type: ignore[assignment, method-assign]
        with pytest.raises(Died):
            engine.run()
    (attempt,) = project.store.loop_attempts(loop.id)
    assert attempt.handle is None
    return attempt


def test_an_attempt_that_had_started_is_not_called_never_started_though_nobody_is_left_who_saw_it(
    project: EngineProject,
) -> None:
    loop = project.loop([project.config("a", hang=True)])
    engine_dies_before_it_stores_the_handle(project, loop)
    (run,) = project.runs(loop)
    project.trainer_pid(run.id, stored=False)
    kill_supervisor(project, run.id)
    project.run(loop)
    (attempt,) = project.store.attempts(run.id)
    assert (attempt.result, attempt.unstarted) == ("lost", False)
    assert "supervisor was killed" in (attempt.cause or "")
    assert project.left_over() == []


def test_an_attempt_that_never_started_is_recorded_as_such_and_costs_no_retry(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "start", die)
        with Store.open(project.folder) as store, pytest.raises(KeyboardInterrupt):
            Engine(store, loop).run()
    project.run(loop)
    first, second = project.store.loop_attempts(loop.id)
    assert (first.result, first.unstarted, second.result, second.unstarted) == ("lost", True, "finished", False)


def die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_kill_whose_engine_died_before_it_was_sent_is_sent_as_a_kill_by_the_next(project: EngineProject) -> None:
    loop = project.loop([project.config("a", hang=True, stubborn=True), project.config("b")])
    engine = project.spawn(loop)
    (a, _) = project.runs(loop)
    project.trainer_pid(a.id)
    project.kill_engine(engine)
    (attempt,) = project.store.attempts(a.id)
    project.store.put_attempt(
        msgspec.structs.replace(attempt, stop=StopCause(kind=StopKind.USER, text="stopped by ada"), kill=True), loop.id
    )
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.STOPPED, RunState.FINISHED]
    exit_ = project.store.attempts(a.id)[0].exit
    assert exit_ is not None
    assert exit_.stopped_by == "kill"


def test_that_a_run_is_to_be_killed_is_recorded_before_it_is(project: EngineProject) -> None:
    loop = project.loop([project.config("a", hang=True, stubborn=True)])
    with project.driven(loop) as engine:
        (run,) = project.runs(loop)
        project.trainer_pid(run.id)
        engine.done(Kill(run=run.id))
        assert project.store.attempts(run.id)[0].kill
        engine.end()


def test_what_an_earlier_attempt_reached_is_in_the_summary_that_is_made_anew(project: EngineProject) -> None:
    counter = str(project.folder / "counter")
    config = project.config(
        "a", traceback="RuntimeError: CUDA error: unspecified launch failure", fails=1, counter=counter, late=True
    )
    loop = project.loop([config], retries=1)
    project.run(loop)
    (run,) = project.runs(loop)
    first, second = project.store.attempts(run.id)
    before = project.summary()
    assert set(before) == {first.output_dir, second.output_dir}
    (project.folder / "reports" / "autorun_summary.json").unlink()
    assert reports.write_summary(project.store, loop.id) is None
    assert project.summary() == before
    assert before[first.output_dir]["train/l1_loss"]["last"] == 1.0


def test_a_clock_that_was_set_back_while_a_run_trained_makes_no_negative_time(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))])
    with Store.open(project.folder) as store:
        engine = Engine(store, loop)
        engine.context.clock = lambda: time.time() + 86_400  # a day ahead of what its supervisor will record
        ended = engine.run(on_turn=gate.touch)
    assert ended.state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED]
    (sentence,) = project.story(loop, "run ended")
    assert "after 0 s" in sentence
