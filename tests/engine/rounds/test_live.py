"""Live rules: a run in training is stopped, or stopped and relaunched, exactly once, and the evidence is recorded."""

from __future__ import annotations

import itertools
import time

import pytest
from autoloop import file_watch
from autoloop.file_watch import Changes, FileWatch
from autoloop.model import Actor, LoopState, ProposalStatus, RunState
from autoloop.protocol import Stop

from tests.engine.processes import seen, span, states
from tests.engine.project import EngineProject, rows
from tests.engine.rounds.live_rules import BAD, HEALS, PATCHES, STOPS, begin, live, one


def test_a_hopeless_run_is_stopped_and_marked_with_the_evidence(project: EngineProject) -> None:
    loop = begin(project, STOPS)
    assert project.run(loop).state is LoopState.FINISHED
    (run,), (proposal,) = project.runs(loop), live(project, loop)
    assert run.state is RunState.STOPPED
    assert run.reason == "stopped: live rule hopeless at step 3: l1_loss.last = 7 > 5"
    assert (proposal.status, proposal.decided_by, proposal.run) == (ProposalStatus.DONE, Actor.rule("hopeless"), None)
    assert proposal.evidence is not None
    assert proposal.evidence.observations[0].value == 7.0
    assert proposal.evidence.observations[0].last_step == 3
    assert any("live rule hopeless fires on a" in line and "stop it" in line for line in project.story(loop, "live rule"))
    report = (project.folder / "reports" / "report.md").read_text()
    assert f"- a ({run.id}), step 3: hopeless (l1_loss.last = 7 > 5): stopped" in report
    assert project.left_over() == []


def test_a_rule_judges_what_is_written_as_soon_as_it_is_there(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the kernel reports changes: once it watches the run's folders, the engine does not poll them in this test."""
    monkeypatch.setattr(file_watch, "SWEEP", 1e6)
    looks = recorded_looks(monkeypatch)
    loop = begin(project, STOPS, after=str(project.gate("rows")))
    with project.driven(loop) as engine:
        engine.until(lambda: nothing_is_due(looks), "the kernel's watch of the run")
        project.gate("rows").touch()
        engine.until(lambda: project.named(loop, "a").state is RunState.STOPPED, "the end of the hopeless run")
        engine.end()


def recorded_looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, set[str]]]:
    """Return a list that receives the time and the answer whenever an engine asks which files are due, newest last."""
    looks: list[tuple[float, set[str]]] = []
    real = FileWatch.due

    def due(watch: FileWatch) -> dict[str, Changes]:
        asked_at = time.monotonic()
        found = real(watch)
        looks.append((asked_at, set(found)))
        return found

    monkeypatch.setattr(FileWatch, "due", due)
    return looks


def nothing_is_due(looks: list[tuple[float, set[str]]]) -> bool:
    """Return whether a run's files were due once and are no longer. Until the kernel watches them, they become due again
    after BLIND seconds."""
    quiet = list(itertools.takewhile(lambda look: not look[1], reversed(looks)))
    return len(quiet) < len(looks) and bool(quiet) and quiet[0][0] - quiet[-1][0] > 2 * file_watch.BLIND


def test_a_stuck_run_is_relaunched_in_its_slot_with_its_lineage(project: EngineProject) -> None:
    """The slot is reserved for it: no queued run takes it in between."""
    loop = begin(project, HEALS, "a", "b", concurrency=1)
    assert project.run(loop).state is LoopState.FINISHED
    a, b, *patched = project.runs(loop)
    assert [run.name for run in patched] == ["a_live1", "b_live1"]
    assert states([a, b, *patched]) == [RunState.STOPPED] * 2 + [RunState.FINISHED] * 2
    successor = patched[0]
    assert (successor.base_run, successor.round, successor.slot) == (a.id, 1, None)
    assert [change.path for change in successor.changes] == ["lr", "hang"]
    assert seen(successor)["config"]["lr"] == 2.0
    proposal = project.store.proposal(successor.proposal or 0)
    assert (proposal.author, proposal.status, proposal.run) == (Actor.rule("stuck"), ProposalStatus.LAUNCHED, successor.id)
    assert proposal.evidence is not None
    order = sorted((span(project.store.attempts(run.id)[0]), run.name) for run in [a, b, *patched])
    assert [name for _, name in order] == ["a", "a_live1", "b", "b_live1"]
    assert len(live(project, loop)) == 2


def test_a_run_that_always_has_something_new_keeps_no_other_from_being_judged(project: EngineProject) -> None:
    healthy = project.config("a", rows=rows(1.0), endless=True)
    hopeless = project.config("b", rows=BAD, hang=True, after=str(project.gate("b")))
    loop = project.loop([healthy, hopeless], steps=10**9, rules=project.rules(STOPS), live=True, concurrency=2)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").step > 10, "steps of the one that logs without a pause")
        project.gate("b").touch()
        engine.until(lambda: project.named(loop, "b").state is RunState.STOPPED, "the end of the hopeless run")
        assert project.named(loop, "a").state is RunState.RUNNING
        engine.done(Stop())
        engine.end()


def test_each_rule_has_a_budget_of_its_own_in_a_lineage(project: EngineProject) -> None:
    other = PATCHES.partition("[[rule]]")[2].replace('id = "stuck"', 'id = "other"')
    other = other.replace('"l1_loss.last > 5"', "'l1_loss.last > 5 and config(\"lr\") > 1.5'")
    other = other.replace('["lr@mul=2"], ["seed@add=1000"]', '["seed@add=1"], ["hang@set=false"]')
    first = PATCHES.replace('"l1_loss.last > 5"', "'l1_loss.last > 5 and config(\"lr\") < 1.5'").replace(
        '["lr@mul=2"], ["seed@add=1000"]', '"lr@mul=2"'
    )
    loop = begin(project, first.replace("relaunches = 2", "relaunches = 1") + "[[rule]]" + other)
    assert project.run(loop).state is LoopState.FINISHED
    runs = project.runs(loop)
    assert [[change.path for change in run.changes] for run in runs] == [[], ["lr"], ["seed"], ["hang"]]
    assert states(runs) == [RunState.STOPPED] * 3 + [RunState.FINISHED]


def test_edits_take_turns_and_the_last_run_of_a_line_goes_on(project: EngineProject) -> None:
    loop = begin(project, PATCHES)
    with project.driven(loop) as engine:
        blocked = engine.until(lambda: one(project, loop, ProposalStatus.BLOCKED), "the end of the line")
        runs = project.runs(loop)
        assert [run.name for run in runs] == ["a", "a_live1", "a_live2"]
        assert [[change.path for change in run.changes] for run in runs] == [[], ["lr"], ["seed"]]
        assert [run.base_run for run in runs] == [None, runs[0].id, runs[1].id]
        assert "relaunched this lineage 2 times; it allows 2" in (blocked.blocked or "")
        assert project.named(loop, "a_live2").state is RunState.RUNNING
        assert any("The run continues." in line for line in project.story(loop, "live rule"))
        engine.done(Stop(run="a_live2"))
        engine.end()
    assert len(live(project, loop)) == 3


def test_runs_that_become_the_same_value_have_names_and_files_of_their_own(project: EngineProject) -> None:
    turns = '[["lr@set=9.0"], ["lr@set=5.0", "hang@set=false"]]'
    book = PATCHES.replace('[["lr@mul=2"], ["seed@add=1000"]]', turns)
    book = book.replace('"l1_loss.last > 5"', "'l1_loss.last > 5 and config(\"lr\") != 5.0'")
    configs = [project.config(f"lr={lr}", lr=lr, rows=BAD, hang=True) for lr in (1.0, 3.0)]
    loop = project.loop(configs, steps=100, rules=project.rules(book), live=True, concurrency=1)
    assert project.run(loop).state is LoopState.FINISHED
    runs = project.runs(loop)
    made = ["lr=9_live1", "lr=5_live2", "lr=9_live1-2", "lr=5_live2-2"]
    assert [run.name for run in runs] == ["lr=1.0", "lr=3.0", *made]
    assert len({run.source_path for run in runs}) == len(runs)


def test_a_patch_that_may_not_run_gives_way_to_the_next_turn(project: EngineProject) -> None:
    """The config with the first edits is already running, so the rule's other edits are taken."""
    gate = project.gate("go")
    shared = {"seed": 77, "number": 0, "rows": BAD, "gate": str(gate)}
    configs = [project.config("a", lr=1.0, **shared), project.config("twin", lr=2.0, **shared)]
    book = PATCHES.replace('"l1_loss.last > 5"', "'l1_loss.last > 5 and config(\"lr\") < 1.5'").replace("= 2\n", "= 1\n")
    loop = project.loop(configs, steps=100, rules=project.rules(book), live=True, concurrency=2)
    with project.driven(loop) as engine:
        successor = engine.until(
            lambda: next((run for run in project.runs(loop) if run.name == "a_live1"), None), "the relaunch"
        )
        assert [change.path for change in successor.changes] == ["seed"]
        gate.touch()
        engine.end()


def test_a_patch_without_effect_leaves_the_run_alone_and_says_so(project: EngineProject) -> None:
    book = PATCHES.replace('[["lr@mul=2"], ["seed@add=1000"]]', '["lr@set=1.0"]')
    loop = begin(project, book)
    with project.driven(loop) as engine:
        blocked = engine.until(lambda: one(project, loop, ProposalStatus.BLOCKED), "the blocked patch")
        assert "no edit left" in (blocked.blocked or "")
        assert states(project.runs(loop)) == [RunState.RUNNING]
        engine.done(Stop(run="a"))
        engine.end()
    assert len(project.runs(loop)) == 1


def test_without_live_no_rule_touches_a_run(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", rows=BAD, gate=str(gate))], steps=100, rules=project.rules(STOPS), live=False)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").step == 3, "its rows")
        gate.touch()
        engine.end()
    assert states(project.runs(loop)) == [RunState.FINISHED]
    assert project.proposals(loop) == []
