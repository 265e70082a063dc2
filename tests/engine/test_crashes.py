"""The engine killed at any instant: nothing is lost, nothing is done twice, nothing is left."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autoloop import reports
from autoloop.engine import Engine
from autoloop.metrics import default_book
from autoloop.model import Loop, LoopState, ProposalStatus, RunState
from autoloop.store import Store
from tests.engine.project import Project, seen, span, states

RUNS, SLOTS, KILLS = 4, 2, 12

@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_engine_killed_at_random_instants_loses_nothing_and_does_nothing_twice(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    configs = [project.config(f"c{i}", seconds=0.2) for i in range(RUNS)]
    loop = project.loop(configs, concurrency=SLOTS, rounds=2, decide=True)
    kills = 0
    while project.state(loop).state is LoopState.ACTIVE:
        engine = project.spawn(loop)
        if kills < KILLS:
            time.sleep(chance.uniform(0, 0.06))  # the random instant, counted from when it holds its lock
            project.kill_engine(engine)
            kills += 1
        else:
            project.wait_engine(engine)
    print(f"seed {seed}: {kills} kills, {len(project.store.loop_attempts(loop.id))} attempts")
    nothing_is_lost_or_done_twice(project, loop, RUNS, SLOTS)


def test_an_engine_killed_at_every_early_instant_loses_nothing(project: Project) -> None:
    """The steps from intent to handle lie in its first milliseconds: there the instants are set close."""
    loop = project.loop([project.config(f"c{i}") for i in range(RUNS)], concurrency=SLOTS, rounds=2, decide=True)
    for delay in (0, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02):
        engine = project.spawn(loop)
        time.sleep(delay)
        project.kill_engine(engine)
    project.wait_engine(project.spawn(loop))
    nothing_is_lost_or_done_twice(project, loop, RUNS, SLOTS)


class Died(Exception):
    """What ends an engine in the middle of something."""


def die_at(engine: Engine, number: int) -> None:
    """Let an engine end just before the so-many-th row that it writes."""
    put, count = engine.store._put, itertools.count(1)

    def put_or_die(*row: Any) -> None:
        if next(count) == number:
            raise Died
        put(*row)

    engine.store._put = put_or_die  # type: ignore[method-assign]


def test_an_engine_that_ends_before_any_of_the_rows_it_writes_loses_nothing(project: Project) -> None:
    survived = 0
    for number in itertools.count(1):
        loop = project.loop([project.config(f"c{number}")], rounds=2, decide=True)
        with Store.open(project.folder) as store:
            engine = Engine(store, loop)
            die_at(engine, number)
            with contextlib.suppress(Died):
                engine.run()
                survived += 1
        if survived:
            break
        project.run(loop)
        nothing_is_lost_or_done_twice(project, loop, 1, 1)
    assert number > 20  # there were that many rows to die at


def test_an_engine_that_ends_while_it_obeys_does_what_it_was_told_once(project: Project) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))], rounds=2, decide=True, approve="manual")
    project.store.send(loop.id, "propose", {"run": "a", "edits": ["lr=3"]}, "ada")
    project.store.send(loop.id, "stop", {}, "ada")
    for number in range(1, 12):
        with Store.open(project.folder) as store:
            engine = Engine(store, loop)
            die_at(engine, number)
            with contextlib.suppress(Died):
                engine.run()
    gate.touch()
    with project.driven(loop) as last:
        last.until(lambda: len(project.proposals(loop)) == 2, "the rule's proposal")
        last.leave()
    assert [proposal.author for proposal in project.proposals(loop)] == ["ada", "rule:more-lr"]
    assert [a.result for a in project.store.loop_attempts(loop.id)].count("finished") == 1
    assert states(project.runs(loop)) == [RunState.FINISHED]


def nothing_is_lost_or_done_twice(project: Project, loop: Loop, count: int, slots: int) -> None:
    ended = project.state(loop)
    assert ended.state is LoopState.FINISHED, (ended.reason, project.story(loop))
    first, second = project.runs(loop, 1), project.runs(loop, 2)
    assert (len(first), len(second)) == (count, count)
    assert states([*first, *second]) == [RunState.FINISHED] * count * 2
    attempts = project.store.loop_attempts(loop.id)

    # Each run has exactly one counted result; any further attempt never started or was lost.
    finished = Counter(attempt.run for attempt in attempts if attempt.result == "finished")
    assert finished == {run.id: 1 for run in [*first, *second]}
    assert all(attempt.result is not None and attempt.ended_at is not None for attempt in attempts)
    for run in [*first, *second]:
        assert run.summary is not None
        assert run.summary.metrics["train/l1_loss"].last == 1.0
        assert (run.attempts, run.slot) == (len(project.store.attempts(run.id)), None)

    # No output directory was used twice.
    directories = [attempt.output_dir for attempt in attempts]
    assert len(set(directories)) == len(directories)

    # No slot was shared.
    spans: dict[int, list[tuple[float, float]]] = {}
    for attempt in attempts:
        if (Path(attempt.directory) / "start.json").exists():
            spans.setdefault(attempt.slot, []).append(span(attempt))
    assert set(spans) == set(range(slots))
    for taken in spans.values():
        for earlier, later in itertools.pairwise(sorted(taken)):
            assert earlier[1] <= later[0]

    # No proposal was lost or launched twice.
    proposals = project.proposals(loop)
    assert [proposal.status for proposal in proposals] == [ProposalStatus.LAUNCHED] * count
    assert {proposal.base_run for proposal in proposals} == {run.id for run in first}
    assert {proposal.run: proposal.base_run for proposal in proposals} == {run.id: run.base_run for run in second}
    assert [seen(run)["config"]["lr"] for run in second] == [2.0] * count

    # No process is left.
    assert project.left_over() == []

    # The reports are complete, and come out the same when made anew.
    folder = project.folder / "reports"
    assert {run.output_dir for run in [*first, *second]} <= set(project.summary())
    before = (folder / "report.md").read_text()
    assert reports.write_markdown(project.store, loop.id, default_book()) is None
    assert (folder / "report.md").read_text() == before
    assert not list(folder.glob("*.unreadable-*"))


def test_supervisors_killed_at_random_instants_never_leave_a_process_or_a_run_without_a_state(project: Project) -> None:
    chance = random.Random(3)
    loop = project.loop([project.config(f"c{i}", seconds=0.15, stubborn=True) for i in range(6)], concurrency=2)
    with project.driven(loop) as engine:
        killer = threading.Thread(target=kill_some_supervisors, args=[project.folder / ".autoloop", chance])
        killer.start()
        ended = engine.end()
        killer.join()
    assert ended.state in (LoopState.FINISHED, LoopState.STOPPED)
    assert project.left_over() == []
    while ended.state is LoopState.STOPPED:  # three were lost in a row before their first step
        ended = project.run(loop)
    runs = project.runs(loop)
    assert set(states(runs)) <= {RunState.FINISHED, RunState.LOST}
    assert RunState.LOST in states(runs)
    assert all(run.reason for run in runs if run.state is RunState.LOST)
    assert project.left_over() == []


def kill_some_supervisors(home: Path, chance: random.Random) -> None:
    """Kill the supervisor of every second attempt, a random while after it is there."""
    met: set[str] = set()
    deadline = time.monotonic() + 5
    while len(met) < 6 and time.monotonic() < deadline:
        for claim in home.glob("attempts/*/claim"):
            if claim.parent.name in met:
                continue
            met.add(claim.parent.name)
            if len(met) % 2:
                time.sleep(chance.uniform(0, 0.1))
                with contextlib.suppress(ValueError, ProcessLookupError):
                    os.kill(json.loads(claim.read_text())["pid"], signal.SIGKILL)
        time.sleep(0.005)
