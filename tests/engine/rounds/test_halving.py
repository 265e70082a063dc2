"""`--halve STEP`: the worse half of a round's configs stops there, and replicates of the better half take the slots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autoloop.engine import Engine
from autoloop.model import HalveSpec, Loop, LoopState, Run, RunState, StopKind, UserError
from autoloop.protocol import Stop
from autoloop.store import Store

from tests.engine.project import EngineProject, rows
from tests.support.databases import Died, die_at

STEP = 3


def configs(project: EngineProject, gate: Path, **losses: float | list[float]) -> list[str]:
    """Write configs that log three rows and wait for the gate before they end. A list of losses is one config per seed."""
    made = []
    for number, (name, loss) in enumerate(losses.items()):
        ends = dict(enumerate(loss if isinstance(loss, list) else [loss], 1))
        by_seed = {str(seed): {"rows": rows(5.0, 4.0, end), "gate": str(gate)} for seed, end in ends.items()}
        for seed in ends:
            own = {"seed": seed, "number": number, "by_seed": by_seed, "rows": rows(5.0, 4.0, 3.0, 2.0, 1.0)}
            made.append(project.config(f"{name},seed={seed}", **own))
    return made


def halved_loop(project: EngineProject, given: list[str], **changes: Any) -> Loop:
    return project.loop(given, **{"steps": 10, "concurrency": 4, "halve": HalveSpec(step=STEP), **changes})


def by_name(project: EngineProject, loop: Loop) -> dict[str, Run]:
    return {run.name: run for run in project.runs(loop)}


def stopped(project: EngineProject, loop: Loop) -> set[str]:
    return {run.name for run in project.runs(loop) if run.state is RunState.STOPPED}


def test_the_worse_half_stops_and_replicates_of_the_better_take_its_slots(project: EngineProject, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    loop = halved_loop(project, configs(project, gate, a=1.0, b=2.0, c=3.0, d=4.0))
    with project.driven(loop) as driven:
        driven.until(lambda: len(stopped(project, loop)) == 2, "the worse half stopped")
        gate.touch()
        assert driven.end().state is LoopState.FINISHED
    runs = by_name(project, loop)
    assert stopped(project, loop) == {"c,seed=1", "d,seed=1"}
    assert runs["d,seed=1"].reason == "stopped: at step 3 by --halve: 4th of 4 configs by l1_loss"
    assert runs["c,seed=1"].reason == "stopped: at step 3 by --halve: 3rd of 4 configs by l1_loss"
    (attempt,) = project.store.attempts(runs["d,seed=1"].id)
    assert attempt.stop is not None
    assert attempt.stop.kind is StopKind.HALVED
    # The best config first, each with an unused seed, as a replicate of the same config in a slot that was freed.
    copies = [runs["a,seed=2"], runs["b,seed=3"]]
    assert [copy.state for copy in copies] == [RunState.FINISHED] * 2
    assert [copy.group for copy in copies] == [runs["a,seed=1"].group, runs["b,seed=1"].group]
    assert [copy.seed for copy in copies] == ["2", "3"]
    assert {project.store.attempts(copy.id)[0].slot for copy in copies} == {
        project.store.attempts(runs[name].id)[0].slot for name in ("c,seed=1", "d,seed=1")
    }
    assert all(copy.round == 1 and copy.attempts == 1 for copy in copies)
    told = "--halve at step 3: of 4 configs compared, 2 runs stopped, 2 replicates of the better ones queued"
    assert told in project.story(loop)


def test_configs_are_compared_by_the_mean_over_their_seeds(project: EngineProject, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    loop = halved_loop(project, configs(project, gate, lucky=[0.1, 9.0], steady=[2.0, 2.1]))
    with project.driven(loop) as driven:
        driven.until(lambda: len(stopped(project, loop)) == 2, "the worse half stopped")
        gate.touch()
        driven.end()
    assert stopped(project, loop) == {"lucky,seed=1", "lucky,seed=2"}


def test_a_run_that_starts_later_is_compared_with_those_that_have_passed_the_step(
    project: EngineProject, tmp_path: Path
) -> None:
    """Two slots, three configs: the third, which has to wait for a slot, is the worst of all."""
    gate = tmp_path / "gate"
    given = configs(project, gate, a=1.0, b=2.0, z=9.0)
    loop = halved_loop(project, given, concurrency=2)
    with project.driven(loop) as driven:
        driven.until(lambda: "b,seed=1" in stopped(project, loop), "the worse of two stopped")
        driven.until(lambda: "z,seed=1" in stopped(project, loop), "the one that came later stopped")
        gate.touch()
        assert driven.end().state is LoopState.FINISHED
    assert by_name(project, loop)["z,seed=1"].reason == "stopped: at step 3 by --halve: 3rd of 3 configs by l1_loss"
    assert by_name(project, loop)["a,seed=1"].state is RunState.FINISHED


def test_nothing_stops_before_all_have_reached_the_step(project: EngineProject, tmp_path: Path) -> None:
    gate, late = tmp_path / "gate", tmp_path / "late"
    given = [
        *configs(project, gate, a=1.0),
        project.config("slow", seed=9, rows=rows(5.0, 4.0, 3.0), after=str(late), gate=str(gate)),
    ]
    loop = halved_loop(project, given)
    with project.driven(loop) as driven:
        driven.until(lambda: by_name(project, loop)["a,seed=1"].step == STEP, "the first is there")
        assert not any(run.halved for run in project.runs(loop))
        late.touch()
        driven.until(lambda: stopped(project, loop) == {"slow"}, "the worse stopped")
        gate.touch()
        driven.end()


def test_a_loop_that_is_stopped_meanwhile_leaves_what_was_halved_stopped(project: EngineProject, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    given = configs(project, gate, a=1.0, b=2.0)
    loop = halved_loop(project, given)
    with project.driven(loop) as driven:
        driven.until(lambda: stopped(project, loop) == {"b,seed=1"}, "the worse stopped")
        driven.done(Stop())
        assert driven.end().state is LoopState.STOPPED
    gate.touch()
    assert project.run(loop).state is LoopState.FINISHED
    assert stopped(project, loop) == {"b,seed=1"}


def test_an_engine_may_die_at_every_write(project: EngineProject, tmp_path: Path) -> None:
    """However often it dies, the same run is stopped, once, and the better config gets one replicate."""
    gate = tmp_path / "gate"
    loop = halved_loop(project, configs(project, gate, a=1.0, b=2.0))
    for number in range(1, 60):
        with Store.open(project.folder) as store:
            engine = Engine(store, store.loop(loop.id))
            die_at(store, number)
            try:
                engine.run()
                break
            except Died:
                if stopped(project, loop):
                    gate.touch()
    assert project.state(loop).state is LoopState.FINISHED
    assert stopped(project, loop) == {"b,seed=1"}
    copies = [run for run in project.runs(loop) if run.name not in ("a,seed=1", "b,seed=1")]
    assert [(copy.name, copy.state) for copy in copies] == [("a,seed=2", RunState.FINISHED)]
    assert project.left_over() == []


def test_max_runs_leave_no_room_for_replicates(project: EngineProject, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    loop = halved_loop(project, configs(project, gate, a=1.0, b=2.0), max_runs=2)
    with project.driven(loop) as driven:
        driven.until(lambda: stopped(project, loop) == {"b,seed=1"}, "the worse stopped")
        gate.touch()
        assert driven.end().state is LoopState.FINISHED
    assert len(project.runs(loop)) == 2


@pytest.mark.parametrize(
    ("step", "names", "said"), [(10, "ab", "less than the 10 steps"), (3, "a", "this loop has only one")]
)
def test_a_plan_refuses_what_would_stop_nothing(
    project: EngineProject, tmp_path: Path, step: int, names: str, said: str
) -> None:
    given = configs(project, tmp_path / "gate", **dict.fromkeys(names, 1.0))
    with pytest.raises(UserError, match=said):
        halved_loop(project, given, halve=HalveSpec(step=step))
