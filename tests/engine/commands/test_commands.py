"""Commands by a person on a loop and its runs while they run."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import LoopState, RunState, StopCause, StopKind
from autoloop.protocol import Approve, Kill, Move, Pause, Propose, Resume, Retry, Stop, Variant

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.support.processes import alive
from tests.support.senders import person


def order(project: EngineProject, loop_id: int) -> list[str]:
    """Return the names of the runs in the order in which they started."""
    attempts = sorted(project.store.loop_attempts(loop_id), key=lambda attempt: attempt.created_at)
    return [project.store.run(attempt.run).name for attempt in attempts]


def test_stopping_one_run_keeps_its_results_and_gives_its_slot_to_the_next(project: EngineProject) -> None:
    loop = project.loop([project.config("a", hang=True), project.config("b")])
    with project.driven(loop) as engine:
        (a, _) = project.runs(loop)
        project.trainer_pid(a.id)
        engine.until(lambda: rows_are_written(project, a.id), "the rows of a")
        engine.done(Stop(run=a.id))
        assert engine.end().state is LoopState.FINISHED
    a, b = project.runs(loop)
    assert states([a, b]) == [RunState.STOPPED, RunState.FINISHED]
    assert a.reason == "stopped: stopped by ada"
    assert a.summary is not None
    assert a.summary.metrics["train/l1_loss"].last == 1.0
    assert a.output_dir in project.summary()
    (attempt,) = project.store.attempts(a.id)
    assert attempt.stop == StopCause(kind=StopKind.USER, text="stopped by ada")
    assert attempt.exit is not None
    assert attempt.exit.stopped_by == "stop"


def rows_are_written(project: EngineProject, run: str) -> bool:
    output = Path(project.store.attempts(run)[0].output_dir)
    try:
        return len((output / "wandb/latest-run/files/wandb-history.jsonl").read_text().splitlines()) == 2
    except OSError:
        return False


def test_a_stubborn_run_is_ended_by_the_ladder_and_leaves_nothing(project: EngineProject) -> None:
    note = project.folder / "grandchild"
    loop = project.loop([project.config("a", hang=True, stubborn=True, detach=str(note))])
    with project.driven(loop) as engine:
        (run,) = project.runs(loop)
        project.trainer_pid(run.id)
        engine.until(note.exists, "the grandchild")
        engine.done(Stop(run=run.id))
        engine.end()
    assert project.runs(loop)[0].state is RunState.STOPPED
    assert not alive(int(note.read_text()))
    assert project.left_over() == []


def test_kill_ends_a_run_at_once(project: EngineProject) -> None:
    loop = project.loop([project.config("a", hang=True, stubborn=True)])
    with project.driven(loop) as engine:
        (run,) = project.runs(loop)
        project.trainer_pid(run.id)
        engine.done(Kill(run=run.id))
        engine.end()
    (attempt,) = project.store.loop_attempts(loop.id)
    assert attempt.exit is not None
    assert (attempt.exit.stopped_by, attempt.exit.signal) == ("kill", 9)
    assert project.runs(loop)[0].reason == "killed: stopped by ada"


def test_a_queued_run_that_is_stopped_never_starts(project: EngineProject) -> None:
    gate = project.gate("a")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b"), project.config("c")])
    with project.driven(loop) as engine:
        engine.done(Stop(run="b"))
        gate.touch()
        engine.end()
    assert states(project.runs(loop)) == [RunState.FINISHED, RunState.STOPPED, RunState.FINISHED]
    assert project.named(loop, "b").attempts == 0
    assert "ada" in (project.named(loop, "b").reason or "")


def test_a_run_that_has_ended_cannot_be_stopped(project: EngineProject) -> None:
    gate = project.gate("b")
    loop = project.loop([project.config("a"), project.config("b", gate=str(gate))])
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the end of a")
        assert "finished" in engine.refused(Stop(run="a"))
        gate.touch()
        engine.end()
    assert project.named(loop, "a").state is RunState.FINISHED


def test_a_stopped_loop_that_is_resumed_finishes_everything_exactly_once(project: EngineProject) -> None:
    gate = project.gate("slow")
    configs = [project.config("done"), project.config("slow", gate=str(gate)), project.config("queued")]
    loop = project.loop(configs)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "slow").state is RunState.RUNNING, "the start of slow")
        project.trainer_pid(project.named(loop, "slow").id)
        assert "resume" in engine.done(Stop())
        stopped = engine.end()
    assert stopped.state is LoopState.STOPPED
    assert stopped.reason == "stopped by ada"
    assert states(project.runs(loop)) == [RunState.FINISHED, RunState.QUEUED, RunState.QUEUED]
    assert project.left_over() == []
    gate.touch()
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED] * 3
    results = [[attempt.result for attempt in project.store.attempts(run.id)] for run in project.runs(loop)]
    assert results == [["finished"], ["stopped", "finished"], ["finished"]]
    first, second = project.store.attempts(project.named(loop, "slow").id)
    assert first.output_dir != second.output_dir
    assert project.named(loop, "slow").output_dir == second.output_dir


def test_killing_a_loop_does_not_wait_for_a_clean_end(project: EngineProject) -> None:
    loop = project.loop([project.config(name, hang=True, stubborn=True) for name in "ab"], concurrency=2)
    with project.driven(loop) as engine:
        for run in project.runs(loop):
            project.trainer_pid(run.id)
        engine.done(Kill())
        assert engine.end().state is LoopState.STOPPED
    assert [a.exit and a.exit.signal for a in project.store.loop_attempts(loop.id)] == [9, 9]
    assert project.left_over() == []


def test_a_paused_loop_lets_runs_end_and_starts_none_until_it_goes_on(project: EngineProject) -> None:
    gate = project.gate("a")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.RUNNING, "the start of a")
        engine.done(Pause())
        gate.touch()
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the end of a")
        engine.refused(Stop(run="a"))  # the engine has made a turn
        assert project.named(loop, "b").state is RunState.QUEUED
        assert project.state(loop).paused
        engine.done(Resume())
        assert engine.end().state is LoopState.FINISHED
    assert order(project, loop.id) == ["a", "b"]


def test_a_moved_run_starts_at_its_new_place_in_the_queue(project: EngineProject) -> None:
    gate = project.gate("a")
    loop = project.loop([project.config("a", gate=str(gate)), *(project.config(name) for name in "bcde")])
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.RUNNING, "the start of a")
        engine.done(Move(run=project.named(loop, "d").id, before=project.named(loop, "b").id))
        engine.done(Move(run=project.named(loop, "c").id))  # to the end
        assert "running" in engine.refused(Move(run="a"))
        gate.touch()
        engine.end()
    assert order(project, loop.id) == ["a", "d", "b", "e", "c"]
    assert states(project.runs(loop)) == [RunState.FINISHED] * 5
    assert len({run.output_dir for run in project.runs(loop)}) == 5


def test_a_failed_run_can_be_retried_in_a_new_output_directory(project: EngineProject) -> None:
    gate, counter = project.gate("b"), project.folder / "counter"
    broken = project.config("a", traceback="ValueError: once", late=True, fails=1, counter=str(counter))
    loop = project.loop([broken, project.config("b", gate=str(gate))], concurrency=2)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.FAILED, "the failure of a")
        assert "running" in engine.refused(Retry(run="b"))
        engine.done(Retry(run="a"))
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the second attempt of a")
        assert "has finished; propose a variant of it instead" in engine.refused(Retry(run="a"))
        gate.touch()
        engine.end()
    run = project.named(loop, "a")
    assert (run.state, run.attempts, run.reason) == (RunState.FINISHED, 2, None)
    first, second = project.store.attempts(run.id)
    assert (first.result, second.result) == ("failed", "finished")
    assert first.output_dir != second.output_dir
    assert Path(first.output_dir).is_dir()


def test_a_run_of_a_judged_round_is_not_retried(project: EngineProject) -> None:
    configs = [project.config("a"), project.config("broken", traceback="ValueError: x", late=True)]
    loop = project.loop(configs, rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        engine.waiting()
        assert "judged" in engine.refused(Retry(run="broken"))
        engine.leave()
    assert project.named(loop, "broken").state is RunState.FAILED


def test_each_command_is_carried_out_once_although_the_next_engine_reads_them_again(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        engine.waiting()
        engine.done(Propose(run="a", variants=[Variant(edits=["lr=5"])]))
        engine.leave()
    with project.driven(loop) as engine:
        engine.refused(Approve(proposals=[99]))  # the engine has made a turn
        assert len(project.proposals(loop)) == 2
        engine.leave()


def test_commands_that_were_sent_while_no_engine_was_there_are_carried_out_by_the_next(project: EngineProject) -> None:
    loop = project.loop([project.config("a"), project.config("b")])
    number = project.store.send(loop.id, Stop(run="a"), person("ada"))
    project.run(loop)
    assert states(project.runs(loop)) == [RunState.STOPPED, RunState.FINISHED]
    assert project.store.command(number).ok


def test_a_loop_obeys_no_commands_of_another_loop(project: EngineProject) -> None:
    gate = project.gate("x")
    first = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(first) as engine:
        (proposal,) = engine.waiting()
        engine.leave()
    second = project.loop([project.config("b", gate=str(gate))])
    with project.driven(second) as engine:
        assert "another loop" in engine.refused(Approve(proposals=[proposal.id]))
        engine.refused(Stop(run=project.runs(first)[0].id))
        gate.touch()
        engine.end()
    assert project.store.proposal(proposal.id) == proposal


def test_two_loops_that_run_at_once_share_the_store_and_the_reports(project: EngineProject) -> None:
    gate = project.gate("go")
    configs = {name: [project.config(f"{name}{i}", gate=str(gate)) for i in range(6)] for name in "ab"}
    loops = [project.loop(configs[name], concurrency=2) for name in "ab"]
    with project.driven(loops[0]) as one, project.driven(loops[1]) as other:
        for loop in loops:
            project.trainer_pid(project.runs(loop)[1].id)
        gate.touch()
        one.end()
        other.end()
    for loop in loops:
        assert states(project.runs(loop)) == [RunState.FINISHED] * 6
        assert len(project.story(loop, "run started")) == 6
        assert len(project.story(loop, "run ended")) == 6
    assert set(project.summary()) == {run.output_dir for loop in loops for run in project.runs(loop)}
