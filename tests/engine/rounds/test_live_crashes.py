"""Live rules: after an engine dies between stop and relaunch, the run is relaunched exactly once."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from autoloop.engine import Engine
from autoloop.model import Loop, LoopState, ProposalStatus, Run, RunState
from autoloop.store import Store

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.engine.rounds.live_rules import HEALS, begin, live
from tests.support.databases import Died, die_at


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
