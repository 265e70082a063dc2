"""Failures: their causes, and which runs are tried again."""

from __future__ import annotations

import sys
from pathlib import Path

from autoloop.engine.planning.frozen import replace_rules
from autoloop.model import LoopEndKind, LoopState, RunState, Unjudged

from tests.engine.processes import states
from tests.engine.project import RULES, EngineProject, rows

PASSING = "CUDA error: uncorrectable ECC error encountered"
"""A failure that the same command may well not meet again."""


def nan(step: int) -> dict[str, object]:
    return {"_step": step, "train/l1_loss": "NaN"}


def test_three_failures_in_a_row_before_the_first_step_stop_the_loop_and_it_can_be_resumed(project: EngineProject) -> None:
    configs = [project.config(f"broken{i}", traceback="ImportError: no torch here") for i in range(3)]
    # The slot is free before the third run is judged, so the next may have started; then it is queued again.
    loop = project.loop([*configs, project.config("d", gate=str(project.gate("d"))), project.config("e")])
    ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert ended.reason is not None
    assert "3 runs in a row" in ended.reason
    assert "no torch here" in ended.reason
    assert states(project.runs(loop)) == [RunState.FAILED] * 3 + [RunState.QUEUED] * 2
    assert project.left_over() == []
    project.gate("d").touch()
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FAILED] * 3 + [RunState.FINISHED] * 2


def test_a_cause_that_every_run_would_meet_stops_the_loop_at_once_with_that_cause(project: EngineProject) -> None:
    missing = "ModuleNotFoundError: No module named 'lerobot'"
    loop = project.loop([project.config(f"broken{i}", traceback=missing) for i in range(3)])
    ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert (ended.reason or "").startswith("every run would fail like broken0: ")
    assert "lerobot" in (ended.reason or "")
    first, second, third = states(project.runs(loop))
    # The slot is free before the first run is judged, so the second may have failed too; the queue is kept.
    assert (first, third) == (RunState.FAILED, RunState.QUEUED)
    assert second in (RunState.FAILED, RunState.QUEUED)


def test_a_cause_that_one_run_of_the_round_did_not_meet_does_not_stop_the_loop(project: EngineProject) -> None:
    missing = "ModuleNotFoundError: No module named 'lerobot'"
    loop = project.loop([project.config("good"), project.config("broken", traceback=missing), project.config("c")])
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED, RunState.FAILED, RunState.FINISHED]


def test_failures_after_the_first_step_do_not_stop_the_loop(project: EngineProject) -> None:
    configs = [project.config(f"broken{i}", traceback="ValueError: x", late=True) for i in range(4)]
    loop = project.loop([*configs, project.config("e")])
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FAILED] * 4 + [RunState.FINISHED]


def test_early_failures_with_a_good_run_between_do_not_stop_the_loop(project: EngineProject) -> None:
    bad = [project.config(f"broken{i}", traceback="ValueError: x") for i in range(4)]
    loop = project.loop([bad[0], bad[1], project.config("good"), bad[2], bad[3]])
    assert project.run(loop).state is LoopState.FINISHED


def test_a_cause_worth_retrying_is_retried_in_a_new_output_directory(project: EngineProject) -> None:
    counter = project.folder / "counter"
    loop = project.loop(
        [project.config("a", traceback=f"RuntimeError: {PASSING}", fails=2, counter=str(counter))], retries=2
    )
    assert project.run(loop).state is LoopState.FINISHED
    (run,) = project.runs(loop)
    attempts = project.store.attempts(run.id)
    assert [attempt.result for attempt in attempts] == ["failed", "failed", "finished"]
    assert [attempt.cause for attempt in attempts] == ["the GPU reported an error"] * 2 + [None]
    assert len({attempt.output_dir for attempt in attempts}) == 3
    assert (run.state, run.output_dir) == (RunState.FINISHED, attempts[-1].output_dir)
    assert list(project.summary())[-1] == run.output_dir


def test_no_more_retries_are_made_than_were_asked_for(project: EngineProject) -> None:
    loop = project.loop([project.config("a", traceback=f"RuntimeError: {PASSING}", late=True)], retries=1)
    project.run(loop)
    (run,) = project.runs(loop)
    assert [attempt.result for attempt in project.store.attempts(run.id)] == ["failed", "failed"]
    assert run.state is RunState.FAILED


def test_a_cause_that_would_come_again_is_not_retried(project: EngineProject) -> None:
    loop = project.loop([project.config("a", traceback="ValueError: no such camera", late=True)], retries=3)
    project.run(loop)
    assert project.runs(loop)[0].attempts == 1


def test_a_killed_data_loader_worker_is_retried_once_however_many_retries_are_allowed(project: EngineProject) -> None:
    killed = "RuntimeError: DataLoader worker (pid 3023) is killed by signal: Killed."
    loop = project.loop([project.config("a", traceback=killed, late=True)], retries=3)
    project.run(loop)
    (run,) = project.runs(loop)
    assert [attempt.result for attempt in project.store.attempts(run.id)] == ["failed", "failed"]


def test_out_of_gpu_memory_is_not_retried_as_it_is(project: EngineProject) -> None:
    traceback = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 288.00 MiB."
    loop = project.loop([project.config("a", traceback=traceback, late=True)], retries=3)
    project.run(loop)
    (attempt,) = project.store.attempts(project.runs(loop)[0].id)
    assert attempt.diagnosis is not None
    assert attempt.diagnosis.id == "cuda-out-of-memory"
    assert attempt.diagnosis.line == traceback
    assert "batch_size" in attempt.diagnosis.advice


def test_a_run_that_ends_well_with_a_loss_that_is_no_number_has_diverged(project: EngineProject) -> None:
    loop = project.loop([project.config("a", rows=[*rows(2.0, 1.0), nan(3)])], decide=True)
    project.run(loop)
    (run,) = project.runs(loop)
    assert run.state is RunState.FAILED
    assert run.reason == "it diverged: train/l1_loss ended as NaN or infinity"


def test_a_loss_that_came_back_from_nan_or_another_metric_that_is_none_is_no_failure(project: EngineProject) -> None:
    configs = [
        project.config("back", rows=[nan(1), {"_step": 2, "train/l1_loss": 1.0}]),
        project.config("other", rows=[*rows(2.0, 1.0), {"_step": 3, "eval/success": "NaN"}]),
    ]
    loop = project.loop(configs)
    project.run(loop)
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2


def test_a_run_that_logs_nothing_that_a_rule_looks_at_has_finished_and_is_not_judged(project: EngineProject) -> None:
    unknown = [{"_step": 1, "train/other": 1.0}]
    configs = [project.config(name, rows=unknown) for name in "abcd"]
    loop = project.loop([*configs, project.config("b", rows=[])], decide=True, rounds=2)
    project.run(loop)
    named, *_, empty = project.runs(loop)
    assert states(project.runs(loop)) == [RunState.FINISHED] * 5  # not failures, and not counted towards the halt
    assert named.unjudged == Unjudged(needed=["l1_loss"], found=["train/other"], sources=["jsonl"])
    assert "not judged: none of the metrics that the rules need was found (l1_loss)" in str(named.reason)
    assert "jsonl has train/other" in str(named.reason)
    assert empty.unjudged == Unjudged(needed=["l1_loss"], found=[], sources=[])
    ended = project.state(loop)
    assert (ended.state, ended.end.kind) == (LoopState.STOPPED, LoopEndKind.NOT_JUDGED)
    assert "resume --rules" in ended.end.text


def test_what_was_not_judged_is_judged_by_the_rules_that_a_resume_gives(project: EngineProject) -> None:
    unknown = [{"_step": 1, "train/other": 1.0}]
    loop = project.loop([project.config("a", rows=unknown)], decide=True, rounds=2)
    project.run(loop)
    assert project.runs(loop)[0].unjudged
    other = project.rules(RULES.replace("l1_loss", "train/other"), "other.toml")
    replace_rules(project.store, project.state(loop), Path(other))
    Path(other).unlink()  # the loop has its own copy
    project.run(loop)
    assert project.state(loop).state is LoopState.FINISHED
    first, second = project.runs(loop)
    assert (first.unjudged, first.reason) == (None, None)
    assert (second.round, second.base_run) == (2, first.id)
    assert first.attempts == 1


def test_runs_that_can_be_judged_do_not_wait_for_those_that_cannot(project: EngineProject) -> None:
    unknown = [{"_step": 1, "train/other": 1.0}]
    loop = project.loop([project.config("a", rows=unknown), project.config("b")], decide=True, rounds=2)
    project.run(loop)
    assert project.state(loop).state is LoopState.FINISHED
    assert {proposal.base_run for proposal in project.proposals(loop)} == {project.named(loop, "b").id}
    assert project.named(loop, "a").unjudged


def test_where_nothing_is_to_be_decided_a_run_is_not_called_unjudged(project: EngineProject) -> None:
    unknown = [{"_step": 1, "train/other": 1.0}]
    loop = project.loop([project.config("c", rows=unknown)])
    project.run(loop)
    assert states(project.runs(loop)) == [RunState.FINISHED]
    assert project.runs(loop)[0].unjudged is None


def test_the_report_tells_of_a_failure_the_line_that_decided_it_and_what_to_do(project: EngineProject) -> None:
    traceback = "draccus.utils.DecodingError: `batch_size`: Couldn't parse '12.0' into an int"
    loop = project.loop([project.config("a", traceback=traceback)])
    project.run(loop)
    report = (project.folder / "reports" / "report.md").read_text()
    assert "the config gives batch_size = 12.0, and the trainer wants an integer" in report
    assert "write it without a decimal point" in report
    assert "Couldn't parse '12.0' into an int" in report


def test_without_retries_nothing_is_retried(project: EngineProject) -> None:
    loop = project.loop([project.config("a", traceback=f"RuntimeError: {PASSING}", late=True)])
    project.run(loop)
    assert project.runs(loop)[0].attempts == 1


def test_a_command_that_cannot_be_started_is_a_failed_run_with_the_reason(project: EngineProject) -> None:
    preset = project.folder / "fake.toml"
    text = preset.read_text()
    interpreter = project.folder / "interpreter"
    interpreter.symlink_to(sys.executable)
    preset.write_text(text.replace('argv = ["{python}"', f'argv = ["{interpreter}"'))
    loop = project.loop([project.config("a")])
    interpreter.unlink()  # it existed when the loop was planned
    project.run(loop)
    (run,) = project.runs(loop)
    assert run.state is RunState.FAILED
    assert run.reason is not None
    assert str(interpreter) in run.reason


def test_reports_that_cannot_be_written_are_said_and_stop_nothing(project: EngineProject) -> None:
    blocker = project.folder / "blocker"
    loop = project.loop(
        [project.config("a")], summary_out=str(blocker / "summary.json"), markdown_out=str(blocker / "report.md")
    )
    blocker.write_text("a file where a folder should be")
    assert project.run(loop).state is LoopState.FINISHED
    assert project.runs(loop)[0].state is RunState.FINISHED
    notes = project.story(loop, "note")
    assert any("summary.json" in note for note in notes)
    assert any("report.md" in note for note in notes)


def test_a_summary_file_with_nan_from_the_scripts_before_us_does_not_stop_the_loop(project: EngineProject) -> None:
    reports = project.folder / "reports"
    reports.mkdir()
    (reports / "autorun_summary.json").write_text('{"old": {"train/loss": {"last": NaN}, "steps": 5}}')
    loop = project.loop([project.config("a")])
    assert project.run(loop).state is LoopState.FINISHED
    assert set(project.summary()) == {"old", project.runs(loop)[0].output_dir}


def test_a_frozen_config_that_is_gone_costs_its_run_and_not_the_loop(project: EngineProject) -> None:
    gate = project.gate("b")
    configs = [project.config("a"), project.config("b", gate=str(gate))]
    loop = project.loop(configs, rounds=2, decide=True)
    a, b = project.runs(loop)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the end of a")
        Path(a.config_path).unlink()
        gate.touch()
        engine.end()
    assert [run.base_run for run in project.runs(loop, 2)] == [b.id]
    assert any(a.id in note and "config" in note for note in project.story(loop, "note"))
