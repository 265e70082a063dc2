"""An ended run continues from its checkpoint to more steps, even if its loop has ended or its engine dies."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from autoloop.demo import train
from autoloop.demo.project import write_project
from autoloop.engine import Engine
from autoloop.model import Loop, LoopState, Run, RunState
from autoloop.protocol import Approve, Extend, Hold, Pause, Propose, Retry, Start, Stop, Variant
from autoloop.store import Store

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.engine.resuming import PRESET
from tests.support.databases import Died, die_at
from tests.support.senders import person
from tests.support.waiting import eventually


def loop_of(project: EngineProject, configs: list[str], **changes: Any) -> Loop:
    """Create a loop of runs of 20 steps with the trainer that can be resumed."""
    preset = project.folder / "resuming.toml"
    preset.write_text(PRESET)
    return project.loop(configs, **{"preset": str(preset), "steps": 20, **changes})


def finished(project: EngineProject, **behaviour: Any) -> tuple[Loop, Run]:
    """Return a finished loop with one run."""
    loop = loop_of(project, [project.config("a", **behaviour)])
    assert project.run(loop).state is LoopState.FINISHED
    return loop, project.named(loop, "a")


def send(project: EngineProject, loop: Loop, *, run: str, steps: int) -> int:
    return project.store.send(loop.id, Extend(run=run, steps=steps), person("ada"))


def went_on(project: EngineProject, run: Run, steps: int, results: tuple[str, ...] = ("finished", "finished")) -> None:
    """Assert that the run has finished `steps` steps in one directory, with a single history of everything it logged."""
    now = project.store.run(run.id)
    assert (now.state, now.step, now.total_steps, now.resume) == (RunState.FINISHED, steps, steps, False)
    attempts = project.store.attempts(run.id)
    assert tuple(attempt.result for attempt in attempts) == results
    assert {attempt.output_dir for attempt in attempts} == {now.output_dir} == {run.output_dir}
    assert now.summary is not None
    loss = now.summary.metrics["train/l1_loss"]
    assert (loss.first_step, loss.first, loss.last_step, loss.last) == (1, 1.0, steps, 1 / steps)
    assert loss.n == steps
    eventually(lambda: project.summary()[str(now.output_dir)]["steps"] == steps, "the summary in the report")


def test_a_run_of_a_finished_loop_goes_on_and_the_loop_ends_as_it_had_ended(project: EngineProject) -> None:
    loop, run = finished(project)
    before = project.state(loop)
    number = send(project, loop, run="a", steps=40)
    after = project.run(loop)
    assert project.store.command(number).answer == (
        f"a ({run.id}) continues from its checkpoint, from step 20 to 40, in the same output directory"
    )
    assert (after.state, after.reason) == (LoopState.FINISHED, before.reason)
    assert after.ended_at is not None
    assert before.ended_at is not None
    assert after.ended_at > before.ended_at
    went_on(project, run, 40)
    assert [each.best and each.best.value for each in (before, after)] == [1 / 20, 1 / 40]
    assert before.outcome is not None
    assert after.outcome == before.outcome  # the longer training is not a replicate
    again = project.store.attempts(run.id)[1].argv
    assert [word for word in again if word.startswith("--")] == [
        f"--config_path={run.output_dir}/checkpoints/last/pretrained_model/train_config.json",
        "--resume=true",
        "--steps=40",
    ]


def test_a_run_can_be_extended_again_and_again_by_engines_of_their_own(project: EngineProject) -> None:
    loop, run = finished(project)
    for steps in (30, 50):
        send(project, loop, run=run.id, steps=steps)
        project.wait_engine(project.spawn(loop))
        assert project.state(loop).state is LoopState.FINISHED
    went_on(project, run, 50, ("finished",) * 3)
    assert len(project.story(loop, "run extended")) == 2


def test_an_extended_run_delays_the_end_of_its_round_and_is_judged_once_with_all_its_steps(project: EngineProject) -> None:
    gate = project.gate("b")
    configs = [project.config("a"), project.config("b", at={"20": {"gate": str(gate)}})]
    loop = loop_of(project, configs, concurrency=2, rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the end of a")
        run = project.named(loop, "a")
        engine.done(Extend(run="a", steps=40))
        gate.touch()
        proposals = engine.waiting()
        engine.leave()
    went_on(project, run, 40)
    assert sorted(proposal.base_run for proposal in proposals) == sorted(each.id for each in project.runs(loop))
    assert len(project.story(loop, "round ended")) == 1


def is_extended(project: EngineProject, loop: Loop) -> bool:
    run = project.named(loop, "a")
    return (run.state, run.step) == (RunState.FINISHED, 40)


def test_a_run_of_a_judged_round_is_extended_without_being_judged_again(project: EngineProject) -> None:
    loop = loop_of(project, [project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        run = project.named(loop, "a")
        engine.done(Extend(run="a", steps=40))
        engine.until(lambda: is_extended(project, loop), "the end of the extension")
        went_on(project, run, 40)
        engine.done(Approve(proposals=[proposal.id]))
        assert engine.end().state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2
    assert [p.id for p in project.proposals(loop)] == [proposal.id]
    assert [run.total_steps for run in project.runs(loop)] == [40, 20]


def test_a_loop_whose_last_round_ends_waits_for_what_was_extended(project: EngineProject) -> None:
    gate = project.gate("long")
    config = project.config("a", at={"40": {"gate": str(gate)}})
    loop = loop_of(project, [config], concurrency=2, rounds=2, decide=True)
    project.store.send(loop.id, Hold(), person("ada"))
    with project.driven(loop) as engine:
        engine.until(lambda: project.proposals(loop), "the proposal")
        engine.done(Extend(run="a", steps=40))
        engine.done(Start())
        engine.until(lambda: RunState.FINISHED in states(project.runs(loop, 2)), "the end of round 2")
        engine.until(lambda: project.state(loop).reason, "the end of the rounds")
        assert project.state(loop).state is LoopState.ACTIVE
        assert "never run" in engine.refused(Propose(run="a", variants=[Variant(edits=["lr=7"])]))
        gate.touch()
        ended = engine.end()
    assert (ended.state, ended.reason) == (LoopState.FINISHED, "all 2 rounds done")
    assert project.named(loop, "a").step == 40


def test_a_failed_run_with_a_checkpoint_goes_on_from_there(project: EngineProject) -> None:
    loop = loop_of(project, [project.config("a", at={"20": {"code": 1, "stops_at": 10}})])
    project.run(loop)
    run = project.named(loop, "a")
    assert (run.state, run.step) == (RunState.FAILED, 10)
    send(project, loop, run="a", steps=30)
    project.run(loop)
    went_on(project, run, 30, ("failed", "finished"))


def test_an_extension_that_fails_leaves_what_was_reached(project: EngineProject) -> None:
    loop, run = finished(project, at={"40": {"code": 1, "stops_at": 30}, "50": {}})
    send(project, loop, run="a", steps=40)
    project.run(loop)
    failed = project.store.run(run.id)
    assert (failed.state, failed.step, failed.resume, failed.output_dir) == (RunState.FAILED, 30, False, run.output_dir)
    assert failed.summary is not None
    assert failed.summary.metrics["train/l1_loss"].n == 30
    send(project, loop, run="a", steps=50)
    project.run(loop)
    went_on(project, run, 50, ("finished", "failed", "finished"))


def test_a_retry_of_an_extension_that_failed_goes_on_from_the_checkpoint_again(project: EngineProject) -> None:
    """The attempt to reach 40 stops at 30 once; the second attempt finds the marker file gone."""
    trip = project.folder / "trip"
    trip.touch()
    loop, run = finished(project, at={"40": {"code": 1, "stops_at": 30, "only_while": str(trip)}})
    send(project, loop, run="a", steps=40)
    project.run(loop)
    assert project.store.run(run.id).state is RunState.FAILED
    trip.unlink()
    project.store.send(loop.id, Retry(run="a"), person("ada"))
    project.run(loop)
    went_on(project, run, 40, ("finished", "failed", "finished"))


def test_stopping_the_loop_queues_an_extension_that_is_still_one_when_the_loop_goes_on(project: EngineProject) -> None:
    gate = project.gate("long")
    loop, run = finished(project, at={"40": {"gate": str(gate), "stops_at": 30}})
    send(project, loop, run="a", steps=40)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").step == 30, "step 30")
        assert "running" in engine.refused(Extend(run="a", steps=99))
        engine.done(Stop())
        assert engine.end().state is LoopState.STOPPED
    queued = project.named(loop, "a")
    assert (queued.state, queued.resume) == (RunState.QUEUED, True)
    gate.touch()
    assert project.run(loop).state is LoopState.FINISHED
    assert [attempt.output_dir for attempt in project.store.attempts(run.id)] == [run.output_dir] * 3
    assert project.named(loop, "a").state is RunState.FINISHED


def test_an_extension_that_is_taken_out_of_the_queue_leaves_the_run_as_it_was(project: EngineProject) -> None:
    loop, run = finished(project)
    send(project, loop, run="a", steps=40)
    project.store.send(loop.id, Stop(run="a"), person("ada"))
    project.run(loop)
    assert project.store.run(run.id) == run
    assert project.state(loop).state is LoopState.FINISHED


def test_a_loop_that_was_paused_when_it_finished_goes_on_all_the_same(project: EngineProject) -> None:
    loop, run = finished(project)
    project.store.send(loop.id, Pause(), person("ada"))
    send(project, loop, run="a", steps=40)
    project.run(loop)
    went_on(project, run, 40)


def test_what_cannot_be_extended_is_refused_with_the_reason(project: EngineProject) -> None:
    gate = project.gate("b")
    configs = [
        project.config("a"),
        project.config("none", save_checkpoint=False),
        project.config("b", at={"20": {"gate": str(gate)}}),
        project.config("queued"),
    ]
    loop = loop_of(project, configs)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "b").state is RunState.RUNNING, "the start of b")
        a = project.named(loop, "a")
        for steps in (20, 1, -1):
            assert engine.refused(Extend(run="a", steps=steps)) == (
                f"Run {a.id} has already made 20 steps; give a larger total."
            )
        assert "at most 1000000000 steps" in engine.refused(Extend(run="a", steps=10**10))
        wrong = (None, "40", 40.5, True)
        answers = engine.rows_refused([("extend", {"run": "a", "steps": steps}) for steps in wrong])
        assert all("steps must be a whole number" in answer for answer in answers)
        assert "has no checkpoint to continue from: /" in engine.refused(Extend(run="none", steps=40))
        assert "is running; only an ended run" in engine.refused(Extend(run="b", steps=40))
        assert "is queued; only an ended run" in engine.refused(Extend(run="queued", steps=40))
        assert 'no run "nobody"' in engine.refused(Extend(run="nobody", steps=40))
        engine.done(Stop(run="queued"))
        assert "no checkpoint" in engine.refused(Extend(run="queued", steps=40))
        assert project.named(loop, "a") == a
        gate.touch()
        engine.end()


def test_a_preset_without_a_resume_table_cannot_be_extended(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    project.run(loop)
    number = send(project, loop, run="a", steps=40)
    project.run(loop)
    assert "The preset fake has no [resume] table" in (project.store.command(number).answer or "")
    assert project.state(loop).state is LoopState.FINISHED


def test_an_old_command_to_stop_does_not_stop_a_loop_that_has_finished(project: EngineProject) -> None:
    loop, run = finished(project)
    number = project.store.send(loop.id, Stop(), person("ada"))
    send(project, loop, run="a", steps=40)
    assert project.run(loop).state is LoopState.FINISHED
    assert not project.store.command(number).ok
    went_on(project, run, 40)


def test_an_engine_that_ends_before_any_row_of_an_extension_loses_nothing(project: EngineProject) -> None:
    for number in itertools.count(1):
        loop, run = finished(project)
        send(project, loop, run=run.id, steps=40)
        survived = False
        with Store.open(project.folder) as store:
            engine = Engine(store, store.loop(loop.id))
            die_at(store, number)
            with contextlib.suppress(Died):
                engine.run()
                survived = True
        ended = project.run(loop)
        assert (ended.state, ended.reason) == (LoopState.FINISHED, "its round has finished")
        now = project.store.run(run.id)
        assert (now.state, now.step, now.resume, now.output_dir) == (RunState.FINISHED, 40, False, run.output_dir)
        results = [attempt.result for attempt in project.store.attempts(run.id)]
        assert results.count(RunState.FINISHED) == 2
        assert set(results) <= {"finished", "lost"}  # lost: an attempt that never started
        assert project.left_over() == []
        if survived:
            break
    assert number > 8  # there were that many rows to die at


@pytest.mark.faults  # it imports torch four times
def test_the_demo_trainer_goes_on_through_accelerate(project: EngineProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = str(write_project(project.folder)[0])
    loop = project.loop(
        [config],
        preset="lerobot",
        train_script=str(train.__file__),
        steps=20,
        log_freq=5,
        eval_freq=10,
        extra=["--eval_freq=20", "--steps=20"],
    )
    assert project.run(loop).state is LoopState.FINISHED
    (run,) = project.runs(loop)
    assert (run.state, run.step) == (RunState.FINISHED, 20), project.story(loop)
    send(project, loop, run=run.id, steps=40)
    assert project.run(loop).state is LoopState.FINISHED
    (now,) = project.runs(loop)
    assert (now.state, now.step, now.output_dir) == (RunState.FINISHED, 40, run.output_dir), project.story(loop)
    assert run.output_dir is not None
    attempts = project.store.attempts(run.id)
    assert [attempt.output_dir for attempt in attempts] == [run.output_dir] * 2
    segments = [path.parent.name for path in Path(run.output_dir).glob(f"wandb/*run-*/run-{run.id}.wandb")]
    assert len(segments) == 2
    assert (Path(run.output_dir) / "checkpoints/last").resolve().name == "000040"
    assert now.summary is not None
    assert run.summary is not None
    before, after = (summary.metrics["train/l1_loss"] for summary in (run.summary, now.summary))
    assert (before.n, after.n) == (4, 8)
    assert (before.first, before.first_step) == (after.first, after.first_step)
    assert after.last_step == 40
