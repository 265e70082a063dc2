"""Process trees that resist ending are stopped within the grace period, leave nothing, and the engine answers meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.model import LoopState, RunState
from autoloop.protocol import Hold, Kill, Pause, Resume, Stop
from autoloop.runners import bounded_log

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.faults.wild import wild_loop

WAYS = [
    ("ignores", "hangs"),
    ("forks", "hangs"),
    ("ignores", "forks", "sessions", "hangs"),
    ("breeds", "hangs"),
    ("ignores", "breeds", "sessions", "closes", "hangs"),
    ("closes", "hangs"),
]


def up(project: EngineProject, name: str) -> bool:
    run = project.named(project.store.find_loop(None), name)
    return run.output_dir is not None and (Path(run.output_dir) / "up").exists()


@pytest.mark.faults
@pytest.mark.parametrize("kind", [Stop, Kill])
@pytest.mark.parametrize("ways", WAYS, ids="+".join)
def test_a_tree_is_ended_with_all_that_it_left_and_its_slot_given_on(
    project: EngineProject, ways: tuple[str, ...], kind: type[Stop] | type[Kill]
) -> None:
    loop = wild_loop(project, *ways)
    with project.driven(loop) as engine:
        engine.until(lambda: up(project, "wild"), "the tree")
        run = project.named(loop, "wild")
        engine.done(Pause())  # keeps the loop from ending while commands are sent
        engine.done(kind(run=run.id))
        while not project.named(loop, "wild").state.ended:
            engine.done(Hold(held=True))
        engine.done(Resume())
        assert engine.end().state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.STOPPED, RunState.FINISHED]
    assert project.left_over() == []


@pytest.mark.faults
def test_children_that_hold_the_log_open_are_ended_after_their_grace_and_the_run_has_finished(
    project: EngineProject,
) -> None:
    loop = wild_loop(project, "ignores", "holds")
    assert project.run(loop).state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED, RunState.FINISHED]
    assert project.left_over() == []


@pytest.mark.faults
@pytest.mark.parametrize("ways", [("floods",), ("ignores", "floods", "hangs")], ids="+".join)
def test_a_flood_of_1_gb_is_bounded_and_the_engine_answers_while_it_comes_and_is_read(
    project: EngineProject, ways: tuple[str, ...]
) -> None:
    loop = wild_loop(project, *ways, settings="max_log_mb = 16\n", bytes=10**9)
    answered = 0
    with project.driven(loop) as engine:
        engine.until(lambda: up(project, "wild"), "the flood")
        engine.done(Pause())
        run = project.named(loop, "wild")
        log = Path(project.store.attempts(run.id)[-1].directory) / "log.txt"
        while "hangs" in ways and b"the flood ends" not in log.read_bytes()[-100:]:
            engine.done(Hold(held=True))
            answered += 1
        if "hangs" in ways:
            engine.done(Stop(run=run.id))
        while not project.named(loop, "wild").state.ended:
            engine.done(Hold(held=True))
            answered += 1
        engine.done(Resume())
        assert engine.end().state is LoopState.FINISHED
    print(f"{answered} commands were answered meanwhile")
    assert answered
    assert project.named(loop, "tame").state is RunState.FINISHED
    assert log.stat().st_size <= 16 << 20
    with log.open("rb") as file:
        assert bounded_log.left_out(file.fileno()) > 950 * 10**6
    text = log.read_bytes()
    assert text.startswith(b"the flood begins\n")
    assert text.endswith(b"\nthe flood ends\n")
    assert project.left_over() == []
