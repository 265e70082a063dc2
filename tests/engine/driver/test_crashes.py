"""The engine is killed at any instant: nothing is lost, nothing is done twice, nothing is left behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from autoloop.engine import Engine
from autoloop.model import Actor, Loop, LoopState, RunState
from autoloop.protocol import Approve, Propose, Start, Stop, Variant
from autoloop.runners import local
from autoloop.store import Store

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.engine.promises import nothing_is_lost_or_done_twice
from tests.support.databases import Died, die_at
from tests.support.processes import alive
from tests.support.senders import person
from tests.support.waiting import PATIENCE

RUNS, SLOTS, KILLS = 4, 2, 12
DYING = Path(__file__).parents[1] / "dying_engine.py"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_engine_killed_at_random_instants_loses_nothing_and_does_nothing_twice(project: EngineProject, seed: int) -> None:
    chance = random.Random(seed)
    configs = [project.config(f"c{i}", seconds=0.2) for i in range(RUNS)]
    loop = project.loop(configs, concurrency=SLOTS, rounds=2, decide=True)
    kills = 0
    while project.state(loop).state is LoopState.ACTIVE:
        engine = project.spawn(loop)
        if kills < KILLS:
            time.sleep(chance.uniform(0, 0.06))  # a random instant after it has taken its lock
            project.kill_engine(engine)
            kills += 1
        else:
            project.wait_engine(engine)
    print(f"seed {seed}: {kills} kills, {len(project.store.loop_attempts(loop.id))} attempts")
    nothing_is_lost_or_done_twice(project, loop, RUNS, SLOTS)


def test_an_engine_killed_at_every_early_instant_loses_nothing(project: EngineProject) -> None:
    """The steps from intent to handle take place in its first milliseconds, so the instants there are close together."""
    loop = project.loop([project.config(f"c{i}") for i in range(RUNS)], concurrency=SLOTS, rounds=2, decide=True)
    for delay in (0, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02):
        engine = project.spawn(loop)
        time.sleep(delay)
        project.kill_engine(engine)
    project.wait_engine(project.spawn(loop))
    nothing_is_lost_or_done_twice(project, loop, RUNS, SLOTS)


def test_an_engine_that_ends_before_any_of_the_rows_it_writes_loses_nothing(project: EngineProject) -> None:
    survived = 0
    for number in itertools.count(1):
        loop = project.loop([project.config(f"c{number}")], rounds=2, decide=True)
        with Store.open(project.folder) as store:
            engine = Engine(store, loop)
            die_at(store, number)
            with contextlib.suppress(Died):
                engine.run()
                survived += 1
        if survived:
            break
        project.run(loop)
        nothing_is_lost_or_done_twice(project, loop, 1, 1)
    assert number > 20  # there were that many rows to die at


@pytest.mark.parametrize(
    ("record", "moment", "recorded"),
    [
        (0, "before", (2, 0, 2)),
        (0, "within", (2, 0, 2)),
        (1, "before", (3, 2, 2)),
        (1, "within", (3, 2, 2)),
        (2, "before", (4, 2, 3)),
    ],
)
def test_an_engine_killed_between_two_ends_and_the_next_starts_loses_nothing(
    project: EngineProject, record: int, moment: str, recorded: tuple[int, int, int]
) -> None:
    """Ends and handles are recorded together with the next intent.

    Recovery finds those not yet recorded in the attempts' files.
    """
    loop = project.loop([project.config(f"c{i}") for i in range(RUNS)], concurrency=SLOTS, rounds=2, decide=True)
    words = [str(DYING), str(record), moment, "--project", str(project.folder), loop.name]
    assert subprocess.run([sys.executable, *words], cwd=project.folder, timeout=PATIENCE, check=False).returncode == -9
    attempts = project.store.loop_attempts(loop.id)
    ended = [attempt for attempt in attempts if attempt.ended_at is not None]
    handled = [attempt for attempt in attempts if attempt.handle is not None]
    assert (len(attempts), len(ended), len(handled)) == recorded
    assert project.run(loop).state is LoopState.FINISHED
    nothing_is_lost_or_done_twice(project, loop, RUNS, SLOTS)


def test_an_engine_that_ends_while_it_obeys_does_what_it_was_told_once(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))], rounds=2, decide=True, approve="manual")
    project.store.send(loop.id, Propose(run="a", variants=[Variant(edits=["lr=3"])]), person("ada"))
    project.store.send(loop.id, Stop(), person("ada"))
    for number in range(1, 12):
        with Store.open(project.folder) as store:
            engine = Engine(store, loop)
            die_at(store, number)
            with contextlib.suppress(Died):
                engine.run(on_turn=partial(engine.leave, "a turn is enough"))
    gate.touch()
    with project.driven(loop) as last:
        last.until(lambda: len(project.proposals(loop)) == 2, "the rule's proposal")
        last.leave()
    assert [proposal.author for proposal in project.proposals(loop)] == [Actor.person("ada"), Actor.rule("more-lr")]
    assert [a.result for a in project.store.loop_attempts(loop.id)].count(RunState.FINISHED) == 1
    assert states(project.runs(loop)) == [RunState.FINISHED]


def test_an_engine_that_ends_after_it_has_said_yes_to_start_keeps_its_word(project: EngineProject) -> None:
    """One of two proposals is approved, so that only the `start` can begin the next round."""
    kept = 0
    for number in itertools.count(1):
        configs = [project.config(f"{name}{number}") for name in "ab"]
        loop = project.loop(configs, concurrency=2, rounds=2, decide=True, approve="manual")
        with project.driven(loop) as first:
            first.until(partial(_has_proposals, project, loop, 2), "the proposals")
        project.store.send(loop.id, Approve(proposals=[project.proposals(loop)[0].id]), person("ada"))
        asked = project.store.send(loop.id, Start(), person("ada"))
        with Store.open(project.folder) as store:
            engine = Engine(store, project.state(loop))
            die_at(store, number)
            try:
                engine.run(on_turn=partial(engine.leave, "the round has started"))
                break
            except Died:
                kept += project.store.command(asked).ok is True and len(project.store.rounds(loop.id)) == 1
        assert project.run(loop).state is LoopState.FINISHED
        assert [run.round for run in project.runs(loop)] == [1, 1, 2]
    assert kept  # some of the instants were between the answer and the start


def test_a_run_is_not_signalled_before_its_stop_is_recorded(project: EngineProject) -> None:
    def die_when_answering(engine: Engine) -> None:
        def answer(*_: object) -> None:
            raise Died

        engine.store.answer = answer  # type: ignore[assignment, method-assign]

    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))])
    (run,) = project.runs(loop)
    with project.driven(loop, die_when_answering) as engine:
        trainer = project.trainer_pid(run.id)
        project.store.send(loop.id, Stop(), person("ada"))
        with pytest.raises(Died):
            engine.end()
    assert project.store.attempts(run.id)[0].stop is None
    assert alive(trainer)
    assert project.run(loop).state is LoopState.STOPPED  # the command is still there
    gate.touch()
    assert project.run(loop).state is LoopState.FINISHED
    assert [attempt.result for attempt in project.store.attempts(run.id)] == ["stopped", "finished"]


@pytest.mark.parametrize("step", ["the attempt's directory", "the supervisor"])
def test_an_attempt_that_was_meant_but_never_started_is_made_anew(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Died

    loop = project.loop([project.config("a")])
    with monkeypatch.context() as patch:
        patch.setattr(*((local, "start") if step == "the attempt's directory" else (os, "posix_spawn")), die)
        with Store.open(project.folder) as store, pytest.raises(Died):
            Engine(store, loop).run()
    assert project.run(loop).state is LoopState.FINISHED
    (run,) = project.runs(loop)
    first, second = project.store.attempts(run.id)
    assert (first.result, second.result, run.state) == ("lost", "finished", RunState.FINISHED)
    assert first.output_dir != second.output_dir
    assert not Path(first.output_dir).exists()


def test_supervisors_killed_at_random_instants_never_leave_a_process_or_a_run_without_a_state(
    project: EngineProject,
) -> None:
    chance = random.Random(3)
    loop = project.loop([project.config(f"c{i}", seconds=0.15, stubborn=True) for i in range(6)], concurrency=2)
    with project.driven(loop) as engine:
        over = threading.Event()
        killer = threading.Thread(target=kill_some_supervisors, args=[project.folder / ".autoloop", chance, over])
        killer.start()
        ended = engine.end()
        over.set()
        killer.join()
    assert ended.state in (LoopState.FINISHED, LoopState.STOPPED)
    assert project.left_over() == []
    while ended.state is LoopState.STOPPED:  # stopped because three in a row were lost before their first step
        ended = project.run(loop)
    runs = project.runs(loop)
    assert set(states(runs)) <= {RunState.FINISHED, RunState.LOST}
    assert RunState.LOST in states(runs)
    assert all(run.reason for run in runs if run.state is RunState.LOST)
    assert project.left_over() == []


def kill_some_supervisors(home: Path, chance: random.Random, over: threading.Event) -> None:
    """Kill the supervisor of every second attempt, a random time after its start, until the loop is over."""
    met: set[str] = set()
    while len(met) < 6 and not over.is_set():
        for claim in home.glob("attempts/*/claim"):
            if claim.parent.name in met:
                continue
            met.add(claim.parent.name)
            if len(met) % 2:
                time.sleep(chance.uniform(0, 0.1))
                with contextlib.suppress(ValueError, ProcessLookupError):
                    os.kill(json.loads(claim.read_text())["pid"], signal.SIGKILL)
        time.sleep(0.005)


def _has_proposals(project: EngineProject, loop: Loop, count: int) -> bool:
    return len(project.proposals(loop)) == count
