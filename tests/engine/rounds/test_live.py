"""Live rules: a run in training is stopped, or stopped and relaunched, once, with the evidence on record."""

from __future__ import annotations

import contextlib
import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from autoloop import file_watch
from autoloop.engine import Engine
from autoloop.file_watch import FileWatch
from autoloop.model import Actor, LapseKind, Loop, LoopState, Proposal, ProposalStatus, Run, RunState
from autoloop.protocol import Approve, Edit, Hold, Pause, Reject, Resume, Retry, Stop
from autoloop.store import Store

from tests.engine.processes import seen, span, states
from tests.engine.project import EngineProject, rows
from tests.support.databases import Died, die_at

STOPS = """
name = "live"
version = "1"
[[rule]]
id = "hopeless"
scope = "live"
when = "l1_loss.last > 5"
reason = "it gets nowhere"
"""
PATCHES = """
name = "live"
version = "1"
[[rule]]
id = "stuck"
scope = "live"
between = [2, 50]
when = "l1_loss.last > 5"
reason = "it is stuck"
changes = [["lr@mul=2"], ["seed@add=1000"]]
relaunches = 2
"""
# Its successors are in no need of healing, though they log the same rows.
HEALS = PATCHES.replace('["lr@mul=2"], ["seed@add=1000"]', '"lr@mul=2", "hang@set=false"').replace(
    '"l1_loss.last > 5"', "'l1_loss.last > 5 and config(\"lr\") < 1.5'"
)
ASKS = HEALS + "ask = true\n"
BAD = rows(9.0, 8.0, 7.0)


def begin(project: EngineProject, book: str, *names: str, concurrency: int = 1, **behaviour: Any) -> Loop:
    """A loop of 100 steps whose runs log three bad rows and then hang, with a live rule book."""
    configs = [project.config(name, **{"rows": BAD, "hang": True, **behaviour}) for name in names or ("a",)]
    return project.loop(configs, steps=100, rules=project.rules(book), live=True, concurrency=concurrency)


def live(project: EngineProject, loop: Loop) -> list[Proposal]:
    return [proposal for proposal in project.proposals(loop) if proposal.live]


def one(project: EngineProject, loop: Loop, status: ProposalStatus) -> Proposal | None:
    return next((proposal for proposal in live(project, loop) if proposal.status is status), None)


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
    """Told by the kernel: nothing is looked at on its own here once the run's folders are watched."""
    monkeypatch.setattr(file_watch, "SWEEP", 1e6)
    looks = recorded_looks(monkeypatch)
    loop = begin(project, STOPS, after=str(project.gate("rows")))
    with project.driven(loop) as engine:
        engine.until(lambda: nothing_is_due(looks), "the kernel's watch of the run")
        project.gate("rows").touch()
        engine.until(lambda: project.named(loop, "a").state is RunState.STOPPED, "the end of the hopeless run")
        engine.end()


def recorded_looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, set[str]]]:
    """When from now on an engine asks which files are due, and the answer, the newest last."""
    looks: list[tuple[float, set[str]]] = []
    real = FileWatch.due

    def due(watch: FileWatch) -> set[str]:
        asked_at = time.monotonic()
        found = real(watch)
        looks.append((asked_at, found))
        return found

    monkeypatch.setattr(FileWatch, "due", due)
    return looks


def nothing_is_due(looks: list[tuple[float, set[str]]]) -> bool:
    """Whether a run's files were due once and are no longer. As long as the kernel does not watch them, they are due again
    after BLIND seconds."""
    quiet = list(itertools.takewhile(lambda look: not look[1], reversed(looks)))
    return len(quiet) < len(looks) and bool(quiet) and quiet[0][0] - quiet[-1][0] > 2 * file_watch.BLIND


def test_a_stuck_run_is_relaunched_in_its_slot_with_its_lineage(project: EngineProject) -> None:
    """The slot is kept for it: what waits in the queue does not come between."""
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
    assert order[1][0][0] - order[0][0][1] < 2.0  # the document's promise: the slot is idle for 2 s at most
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
        assert "relaunched 2 times already, and the rule allows 2" in (blocked.blocked or "")
        assert project.named(loop, "a_live2").state is RunState.RUNNING
        assert any("The run goes on." in line for line in project.story(loop, "live rule"))
        engine.done(Stop(run="a_live2"))
        engine.end()
    assert len(live(project, loop)) == 3


def test_a_patch_that_may_not_run_gives_way_to_the_next_turn(project: EngineProject) -> None:
    """The config with the first edits runs already, so the rule's other edits are taken."""
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


# ------------------------------------------------------------------------------------------------------------- asking


def test_a_rule_that_asks_waits_for_a_person_while_the_run_goes_on(project: EngineProject) -> None:
    loop = begin(project, ASKS)
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        assert states(project.runs(loop)) == [RunState.RUNNING]
        (question,) = project.story(loop, "asked")
        assert f"autoloop-tui approve {asked.id}" in question
        assert "l1_loss.last = 7 > 5" in question
        assert "relaunch it with lr 1 → 2" in engine.done(Approve(proposals=[asked.id]))
        assert engine.end().state is LoopState.FINISHED
    base, successor = project.runs(loop)
    assert states([base, successor]) == [RunState.STOPPED, RunState.FINISHED]
    decided = project.store.proposal(asked.id)
    assert (decided.status, decided.decided_by, decided.run) == (ProposalStatus.LAUNCHED, Actor.person("ada"), successor.id)
    assert len(live(project, loop)) == 1


def test_a_rejected_question_is_not_asked_again_and_the_run_finishes(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = begin(project, ASKS, hang=False, gate=str(gate))
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        engine.done(Reject(proposals=[asked.id]))
        gate.touch()
        engine.end()
        assert "over" in refused_later(project, loop, asked.id)
    assert states(project.runs(loop)) == [RunState.FINISHED]
    assert [proposal.status for proposal in live(project, loop)] == [ProposalStatus.REJECTED]


def refused_later(project: EngineProject, loop: Loop, proposal: int) -> str:
    """What an engine that comes back to the finished loop answers to an approval."""
    number = project.store.send(loop.id, Approve(proposals=[proposal]), "ada")
    project.run(loop)
    command = project.store.command(number)
    assert command.ok is False
    return command.answer or ""


def test_a_question_lapses_when_the_run_ends_first(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = begin(project, ASKS, hang=False, gate=str(gate))
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        gate.touch()
        engine.end()
    lapsed = project.store.proposal(asked.id)
    assert (lapsed.status, lapsed.lapsed) == (ProposalStatus.LAPSED, LapseKind.RUN_ENDED)
    assert states(project.runs(loop)) == [RunState.FINISHED]
    assert any("has lapsed" in line for line in project.story(loop, "live rule"))


def test_a_question_can_be_answered_with_other_edits(project: EngineProject) -> None:
    loop = begin(project, ASKS)
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        engine.done(Edit(proposal=asked.id, edits=["lr@set=7", "hang@set=false"]))
        engine.done(Approve(proposals=[asked.id]))
        engine.end()
    assert seen(project.runs(loop)[1])["config"]["lr"] == 7


# ---------------------------------------------------------------------------------------------- when and on what


@pytest.mark.parametrize(
    ("condition", "behaviour", "said"),
    [
        ('diverged("l1_loss")', {"rows": [*BAD, {"_step": 4, "train/l1_loss": "NaN"}]}, 'diverged("l1_loss")'),
        ('log_matches("(?i)sinkhorn.*warn")', {"prints": "Sinkhorn: a WARNING"}, 'its log says "Sinkhorn: a WARNING"'),
    ],
)
def test_a_loss_that_is_no_number_and_a_line_of_the_log_are_seen(
    project: EngineProject, condition: str, behaviour: dict[str, Any], said: str
) -> None:
    loop = begin(project, STOPS.replace('"l1_loss.last > 5"', f"'{condition}'"), **behaviour)
    project.run(loop)
    (run,) = project.runs(loop)
    assert run.state is RunState.STOPPED
    assert said in (run.reason or "")


def test_a_key_in_the_line_that_a_rule_found_is_not_told(project: EngineProject, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "0123456789abcdef" * 3
    monkeypatch.setenv("WANDB_API_KEY", key)
    book = STOPS.replace('"l1_loss.last > 5"', "'log_matches(\"(?i)warning\")'")
    loop = begin(project, book, prints=f"a WARNING: the key {key} is old")
    project.run(loop)
    (run,) = project.runs(loop)
    assert 'its log says "a WARNING: the key *** is old"' in (run.reason or "")
    assert not any(key in text for text in project.story(loop))
    assert key not in repr(project.proposals(loop))


def test_a_live_stopped_run_that_is_retried_is_not_stopped_again(project: EngineProject) -> None:
    other = project.gate("other")
    configs = [project.config("a", rows=BAD, hang=True), project.config("b", gate=str(other))]
    loop = project.loop(configs, steps=100, rules=project.rules(STOPS), live=True, concurrency=2)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.STOPPED, "the stop")
        engine.done(Retry(run="a"))
        engine.until(lambda: project.named(loop, "a").step == 3, "its second attempt")
        engine.until(lambda: project.named(loop, "a").state is RunState.RUNNING, "its second attempt")
        # A look takes place at each turn; a command answered after its rows were read comes after such a look.
        engine.done(Hold(held=False))
        engine.done(Stop(run="a"))
        other.touch()
        engine.end()
    assert len(live(project, loop)) == 1
    assert "stopped by ada" in (project.named(loop, "a").reason or "")


def test_a_paused_loop_keeps_the_slot_and_relaunches_when_it_goes_on(project: EngineProject) -> None:
    loop = begin(project, ASKS, "a", "b", concurrency=1)
    with project.driven(loop) as engine:
        asked = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the question")
        engine.done(Pause())
        engine.done(Approve(proposals=[asked.id]))
        successor = engine.until(lambda: next((r for r in project.runs(loop) if r.name == "a_live1"), None), "the successor")
        assert (successor.state, successor.slot) == (RunState.QUEUED, 0)
        engine.done(Resume())
        engine.until(lambda: project.named(loop, "a_live1").state is RunState.FINISHED, "its end")
        second = engine.until(lambda: one(project, loop, ProposalStatus.PENDING), "the second question")
        engine.done(Approve(proposals=[second.id]))
        engine.end()
    assert states(project.runs(loop)) == [RunState.STOPPED] * 2 + [RunState.FINISHED] * 2


def test_a_loop_that_is_stopped_while_a_rule_stops_a_run_relaunches_it_on_resume(project: EngineProject) -> None:
    loop = begin(project, HEALS, stubborn=True)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.STOPPING, "the stop")
        project.store.send(loop.id, Stop(), "ada")
        engine.end()
    assert project.state(loop).state is LoopState.STOPPED
    assert states(project.runs(loop)) == [RunState.STOPPED, RunState.QUEUED]
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.STOPPED, RunState.FINISHED]


def test_a_rule_that_had_no_point_to_judge_is_told_of_at_the_end_of_the_run(project: EngineProject) -> None:
    book = STOPS.replace('scope = "live"', 'scope = "live"\nbetween = [40, 60]')
    loop = begin(project, book, hang=False)
    project.run(loop)
    (said,) = [text for text in project.story(loop, "note") if "had no point there" in text]
    assert "live rule hopeless looks at steps 40–60" in said


# ------------------------------------------------------------------------------------------------------------ crashes


def relaunched_once(project: EngineProject, loop: Loop) -> None:
    base, *others = project.runs(loop)
    (proposal,) = live(project, loop)
    assert project.state(loop).state is LoopState.FINISHED
    assert states([base, *others]) == [RunState.STOPPED, RunState.FINISHED], project.story(loop)
    assert (proposal.status, proposal.run, others[0].base_run) == (ProposalStatus.LAUNCHED, others[0].id, base.id)
    finished = [a for a in project.store.attempts(others[0].id) if a.result == "finished"]
    assert len(finished) == 1
    assert {attempt.slot for attempt in project.store.loop_attempts(loop.id)} == {0}
    assert project.left_over() == []


def test_an_engine_that_ends_at_any_row_between_stop_and_relaunch_relaunches_exactly_once(project: EngineProject) -> None:
    survived = 0
    for number in itertools.count(1):
        loop = begin(project, HEALS, f"c{number}")
        with Store.open(project.folder) as store:
            engine = Engine(store, store.loop(loop.id))
            die_at(store, number)
            with contextlib.suppress(Died):
                engine.run()
                survived += 1
        if survived:
            break
        project.run(loop)
        relaunched_once(project, loop)
    assert number > 15  # there were that many rows to die at


def test_an_engine_killed_after_the_stop_was_recorded_signals_and_relaunches_on_its_return(project: EngineProject) -> None:
    def die_before_the_signal(engine: Engine) -> None:
        stop = engine.execution.stop

        def stop_and_die(*given: Any, **named: Any) -> bool:
            stop(*given, **named)
            engine.execution.wait = die  # type: ignore[method-assign,assignment]
            return True

        engine.execution.stop = stop_and_die  # type: ignore[method-assign]

    def die(_: float) -> None:
        raise Died

    loop = begin(project, HEALS)
    with project.driven(loop, die_before_the_signal) as engine, pytest.raises(Died):
        engine.end()
    assert states(project.runs(loop)) == [RunState.STOPPING]
    assert project.run(loop).state is LoopState.FINISHED
    relaunched_once(project, loop)


def test_a_run_that_ended_by_itself_while_no_engine_was_there_is_not_relaunched(project: EngineProject) -> None:
    gate = project.gate("go")

    def die(_: float) -> None:
        raise Died

    def die_before_the_signal(engine: Engine) -> None:
        stop = engine.execution.stop

        def stop_and_die(*given: Any, **named: Any) -> bool:
            stop(*given, **named)
            engine.execution.wait = die  # type: ignore[method-assign,assignment]
            return True

        engine.execution.stop = stop_and_die  # type: ignore[method-assign]

    loop = begin(project, HEALS, hang=False, gate=str(gate))
    with project.driven(loop, die_before_the_signal) as engine, pytest.raises(Died):
        engine.end()
    (run,) = project.runs(loop)
    trainer = project.trainer_pid(run.id)
    gate.touch()
    project.until(lambda: ended(run, project), f"the end of {trainer}")
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED]
    assert [proposal.status for proposal in live(project, loop)] == [ProposalStatus.LAPSED]


def ended(run: Run, project: EngineProject) -> bool:
    (attempt,) = project.store.attempts(run.id)
    return (Path(attempt.directory) / "exit.json").exists()
