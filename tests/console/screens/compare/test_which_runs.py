"""The choice of runs to compare."""

from __future__ import annotations

import msgspec
import pytest
from autoloop.metrics import default_book
from autoloop.model import Loop, LoopState, RoundState, RunState

from autoloop_tui.console.present.compare.comparison import default_runs
from autoloop_tui.console.screens.compare.screen import CompareScreen
from tests.console.projects import NOW, RecordedProject
from tests.console.running import Size
from tests.console.screens.compare.driving import SIZES, metrics, on_compare, text_of, three
from tests.console.waiting import settle


async def test_the_marked_runs_are_compared_in_the_order_of_marking(project: RecordedProject) -> None:
    marked = three(project)[::-1]

    async with on_compare(project, marked=marked) as (_, screen):
        assert [side.run.id for side in screen.sides] == marked
        assert [row[:3] for row in text_of(screen, "#legend")[1:4]] == [" c ", " b ", " a "]


@pytest.mark.parametrize("size", SIZES)
async def test_without_marks_the_newest_rounds_best_its_base_and_the_last_finished_are_compared(
    project: RecordedProject, size: Size
) -> None:
    project.round(1, RoundState.DONE)
    base = project.run("base", metrics=metrics(0.5))
    other = project.run("other", metrics=metrics(0.4))
    project.round(2)
    worse = project.run("worse", metrics=metrics(0.3), base=base, round=2)
    best = project.run("best", metrics=metrics(0.2), base=base, round=2)
    project.run("broken", RunState.FAILED, round=2)
    runs = project.store.runs(project.loop.id)
    assert default_runs(runs, default_book()) == [best.id, base.id, worse.id, other.id]

    async with on_compare(project, size=size) as (_, screen):
        told = text_of(screen, "#legend")[0].rstrip()
        assert told.startswith(" no marks")
        assert told.endswith(" marks")
        assert [side.run.id for side in screen.sides] == [best.id, base.id, worse.id, other.id]


@pytest.mark.parametrize("size", SIZES)
async def test_with_no_finished_run_it_says_what_to_do(project: RecordedProject, size: Size) -> None:
    project.run("going", RunState.RUNNING)

    async with on_compare(project, size=size) as (pilot, screen):
        assert isinstance(screen, CompareScreen)
        assert "no run has finished yet" in text_of(screen, "#legend")[0]
        assert any("nothing to compare yet" in row for row in text_of(screen, "#parameters"))
        for key in ("j", "k", "h", "l", "d", "y", "tab", "tab", "g", "G", "ctrl+d", "ctrl+u", "X"):
            await pilot.press(key)
        await settle(pilot)


async def test_capital_u_clears_the_marks(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (pilot, screen):
        await pilot.press("U")
        await settle(pilot)
        assert pilot.app.marked == []
        assert "no marks" in text_of(screen, "#legend")[0]


async def test_runs_of_other_loops_and_runs_that_are_gone_can_be_marked(project: RecordedProject) -> None:
    first = project.run("here", metrics=metrics(0.5))
    loop = Loop(id=50, name="loop_16", state=LoopState.FINISHED, spec=project.spec, output_dir="/none", created_at=NOW - 99)
    project.store.put_loop(loop)
    there = msgspec.structs.replace(project.run("there", metrics=metrics(0.2)), loop=loop.id)
    project.store.put_run(there)

    async with on_compare(project, marked=[first.id, "gone", there.id], loop=project.loop.name) as (_, screen):
        assert [side.run.name for side in screen.sides] == ["here", "there"]
        assert next(row for row in text_of(screen, "#metrics") if "eval_l1" in row).endswith("lowest A")
