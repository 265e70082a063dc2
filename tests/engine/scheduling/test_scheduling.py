"""Which run goes to which slot, and when."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from autoloop.gpus import Gpu, GpuReport
from autoloop.model import LoopState, RunState

from tests.engine.processes import seen, span, states
from tests.engine.project import EngineProject


def test_runs_start_in_queue_order_and_the_next_goes_to_the_first_free_slot(project: EngineProject) -> None:
    long, other = project.gate("long"), project.gate("other")
    configs = [
        project.config("a", gate=str(long)),
        project.config("b"),
        project.config("c"),
        project.config("d", gate=str(other)),
        project.config("e"),
    ]
    loop = project.loop(configs, concurrency=2)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "d").state is RunState.RUNNING, "the start of d")
        assert project.named(loop, "a").slot == 0
        assert project.named(loop, "d").slot == 1
        long.touch()
        engine.until(lambda: project.named(loop, "e").state is RunState.FINISHED, "the end of e")
        other.touch()
        assert engine.end().state is LoopState.FINISHED
    attempts = [project.store.attempts(run.id)[0] for run in project.runs(loop)]
    assert [attempt.slot for attempt in attempts] == [0, 1, 1, 1, 0]
    assert sorted(attempts, key=lambda attempt: attempt.created_at) == attempts


def test_two_runs_never_overlap_in_one_slot(project: EngineProject) -> None:
    loop = project.loop([project.config(f"c{i}", seconds=0.02 * (i % 3)) for i in range(12)], concurrency=3)
    project.run(loop)
    spans: dict[int, list[tuple[float, float]]] = {0: [], 1: [], 2: []}
    for attempt in project.store.loop_attempts(loop.id):
        spans[attempt.slot].append(span(attempt))
    assert sum(map(len, spans.values())) == 12
    for taken in spans.values():
        assert taken, "a slot stood idle"
        for earlier, later in itertools.pairwise(sorted(taken)):
            assert earlier[1] <= later[0]


def test_each_run_of_a_gpu_loop_sees_the_gpu_of_its_slot_only(project: EngineProject) -> None:
    gates = [project.gate("a"), project.gate("b")]
    configs = [project.config("a", gate=str(gates[0])), project.config("b", gate=str(gates[1])), project.config("c")]
    report = GpuReport(gpus=tuple(Gpu(index=i, name="a card") for i in (0, 1, 2, 3)))
    loop = project.loop(configs, machine=report, device="cuda", concurrency=2, gpus=[3, 1])
    with project.driven(loop) as engine:
        for run in project.runs(loop)[:2]:
            project.trainer_pid(run.id)
        gates[1].touch()
        engine.until(lambda: project.named(loop, "c").state is RunState.FINISHED, "the end of c")
        gates[0].touch()
        engine.end()
    assert [seen(run)["gpus"] for run in project.runs(loop)] == ["3", "1", "1"]


def test_every_run_is_told_its_own_id_and_gets_an_output_directory_that_nobody_made_before(project: EngineProject) -> None:
    loop = project.loop([project.config("a"), project.config("b")], concurrency=2)
    project.run(loop)
    runs = project.runs(loop)
    # The trainer exits with 3 if its output directory exists.
    assert states(runs) == [RunState.FINISHED, RunState.FINISHED]
    assert [seen(run)["run_id"] for run in runs] == [run.id for run in runs]
    for index, run in enumerate(runs):
        assert run.output_dir is not None
        assert Path(run.output_dir).parent == Path(loop.output_dir)
        assert Path(run.output_dir).name == f"0{index}_{run.name}_{run.id}"


def test_a_config_that_changes_after_the_loop_was_made_does_not_change_its_run(project: EngineProject) -> None:
    path = project.config("a", note="as asked for")
    loop = project.loop([path])
    Path(path).write_text(json.dumps({"note": "edited later", "code": 1}))
    project.run(loop)
    assert seen(project.runs(loop)[0])["config"]["note"] == "as asked for"


def test_a_finished_run_is_summarised_and_its_loop_says_how_it_ended(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    ended = project.run(loop)
    (run,) = project.runs(loop)
    assert ended.state is LoopState.FINISHED
    assert ended.reason
    assert ended.ended_at is not None
    assert run.summary is not None
    assert run.summary.metrics["train/l1_loss"].first == 2.0
    assert run.summary.metrics["train/l1_loss"].last == 1.0
    assert (run.step, run.slot) == (2, None)
    assert list(project.summary()) == [run.output_dir]
    assert f"({run.id})" in (project.folder / "reports" / "report.md").read_text()


def test_a_run_without_any_metric_finishes_and_that_is_said(project: EngineProject) -> None:
    loop = project.loop([project.config("a", rows=[])])
    project.run(loop)
    (run,) = project.runs(loop)
    assert run.state is RunState.FINISHED
    assert any("no metric" in text and run.id in text for text in project.story(loop, "note"))
