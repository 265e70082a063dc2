"""Creation of loops: distinct names if many are created at once, and nothing left of a loop that could not be created."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import msgspec
import pytest
from autoloop.engine import create_loop, plan_loop
from autoloop.engine.planning.plan import LoopPlan, under_name
from autoloop.gpus import GpuReport
from autoloop.model import LoopSpec, UserError
from autoloop.settings import Settings
from autoloop.store import Store

from tests.engine.project import EngineProject
from tests.support.waiting import PATIENCE

NOW = 1_700_000_000.5


def planned(project: EngineProject, **changes: object) -> LoopPlan:
    spec: LoopSpec = project.spec([project.config(f"c{time.monotonic_ns()}")], **changes)
    return plan_loop(spec, Settings(), GpuReport(), os.environ, lambda _: None, NOW)


@pytest.mark.parametrize("roots", ["one", "each its own"])
def test_loops_that_were_planned_in_the_same_second_all_begin(project: EngineProject, roots: str) -> None:
    plans = [
        planned(project, output_root=str(project.folder / ("out" if roots == "one" else f"out{number}")))
        for number in range(6)
    ]
    assert {plan.name for plan in plans} == {"loop_1700000000"}
    made: list[tuple[str, str]] = []
    barrier = threading.Barrier(len(plans))

    def make(plan: LoopPlan) -> None:
        with Store.open(project.folder, create=True) as store:
            barrier.wait(PATIENCE)
            loop = create_loop(store, plan, NOW)
            made.append((loop.name, loop.output_dir))

    threads = [threading.Thread(target=make, args=[plan]) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in made) == [f"loop_{1_700_000_000 + number}" for number in range(6)]
    assert all(Path(folder).is_dir() and Path(folder).name == name for name, folder in made)
    assert len({folder for _, folder in made}) == 6


def test_a_name_is_free_only_where_no_folder_of_another_project_has_it(project: EngineProject) -> None:
    plan = planned(project)
    Path(plan.output_dir).mkdir(parents=True)
    (Path(plan.output_dir).with_name("loop_1700000001")).symlink_to("nowhere")
    loop = create_loop(project.store, plan, NOW)
    assert loop.name == "loop_1700000002"
    told = under_name(plan, loop.name)
    assert (told.name, told.output_dir) == (loop.name, loop.output_dir)
    assert all(run.output_dir.startswith(loop.output_dir) for run in told.runs)
    assert any(loop.output_dir in word for word in told.runs[0].launch.argv)


def test_where_no_folder_can_be_made_nothing_is_left(project: EngineProject) -> None:
    plan = planned(project)
    (project.folder / "a file").write_text("")
    plan = msgspec.structs.replace(plan, output_dir=str(project.folder / "a file" / plan.name))
    with pytest.raises(UserError, match="Nothing was started"):
        create_loop(project.store, plan, NOW)
    assert project.store.loops() == []
    assert list((project.folder / ".autoloop/configs").iterdir()) == []


def test_the_database_alone_knows_a_loop_that_was_made(project: EngineProject, tmp_path: Path) -> None:
    """Even without the files beside it, the loop can be resumed and finds its runs by their folders."""
    with Store.open(project.folder, create=True) as store:
        loop = create_loop(store, planned(project), NOW)
        alone = tmp_path / "alone"
        (alone / ".autoloop").mkdir(mode=0o700, parents=True)
        shutil.copy(store.places.database, alone / ".autoloop")
        with Store.open(alone) as copy:
            assert copy.find_loop(None).name == loop.name
            assert len(copy.runs(loop.id)) == 1
