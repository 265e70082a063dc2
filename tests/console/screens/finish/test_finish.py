"""The finish page of an ended loop, and of one that is still running."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop.metrics import default_book, for_runs
from autoloop.model import BestRun, LoopEnd, LoopEndKind, LoopState, RoundState, RunState
from autoloop.reports import result_lines
from autoloop.verdicts import Judge, outcome

from autoloop_tui.console.screens.compare.screen import CompareScreen
from autoloop_tui.console.screens.finish.screen import FinishScreen
from tests.console.pictures import text
from tests.console.projects import CONFIG, NOW, RecordedProject, painted
from tests.console.running import run_app
from tests.console.screens.rounds.driving import metrics
from tests.console.waiting import settle


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    made = RecordedProject(tmp_path)
    yield made
    made.store.close()


def played(project: RecordedProject) -> list[Any]:
    """Add two configs with three seeds each, the second better, and a failed run."""
    project.round(1, RoundState.DONE)
    runs = []
    for name, reach, lam in (("base", 0.5, 0.1), ("low", 0.2, 0.2)):
        for seed in range(3):
            config = {**CONFIG, "seed": seed, "ot": {**CONFIG["ot"], "lambda_ot": lam}}
            given = {"group": name, "seed": str(seed), "metrics": metrics(reach + 0.002 * seed)}
            runs.append(project.run(f"{name},seed={seed}", config=config, **given))
    project.run("big", RunState.FAILED, reason="CUDA out of memory")
    return runs


def finished(project: RecordedProject) -> list[Any]:
    runs = played(project)
    end(project, runs)
    return runs


def end(project: RecordedProject, runs: list[Any]) -> None:
    book = for_runs(default_book(), runs)
    found = outcome(runs, [], project.loop.spec, Judge(runs, book), "eval/offline_eval/avg_l1")
    ended = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all rounds are done")
    project.change_loop(state=LoopState.FINISHED, outcome=found, ended_at=NOW, end=ended)


async def test_the_page_has_the_result_as_all_reports_have_it_the_failures_and_the_next_keys(
    project: RecordedProject,
) -> None:
    finished(project)
    app = project.app()

    async with run_app(app, (160, 45)) as pilot:
        await pilot.press("W")
        await settle(pilot)
        assert isinstance(app.screen, FinishScreen)
        shown = " ".join(text(app).split())
        view = app.feed.view
        assert view is not None
        for line in result_lines(project.store, project.loop, view.metrics):
            assert " ".join(line.split()) in shown
        assert "★ low" in shown
        assert "big (run00007): CUDA out of memory" in shown
        assert "best per round · eval_l1" in shown
        for hint in ("extend", "compare", "rounds"):
            assert hint in shown
        assert "variant" not in painted(app.screen.query_one("#hints"))[0]
        await pilot.press("v")
        assert "the loop has finished: `autoloop-tui generate" in text(app)


async def test_without_a_result_of_the_baseline_the_page_says_why_nothing_is_called_better(project: RecordedProject) -> None:
    project.run("base", RunState.STOPPED, group="base")
    other = project.run("other", group="other", metrics=metrics(0.4))
    best = BestRun(metric="eval/offline_eval/avg_l1", highest=False, value=0.4, run=other.id)
    end = LoopEnd(kind=LoopEndKind.NO_PROPOSALS, text="no rule fired")
    project.change_loop(state=LoopState.FINISHED, best=best, ended_at=NOW, end=end)
    app = project.app()

    async with run_app(app, (160, 45)) as pilot:
        await pilot.press("W")
        await settle(pilot)
        shown = " ".join(text(app).split())
        assert "no config is called better: the baseline, base (run00001), has no result (stopped)" in shown
        assert "lowest last eval_l1: 0.4, other" in shown
        assert "ended: no rule fired" in shown  # not all rounds ran


async def test_c_compares_the_winner_with_the_baseline_and_q_comes_back(project: RecordedProject) -> None:
    runs = finished(project)
    app = project.app()

    async with run_app(app, (120, 40)) as pilot:
        await pilot.press("W", "c")
        await settle(pilot)
        assert isinstance(app.screen, CompareScreen)
        assert app.marked == [runs[0].id, runs[3].id]
        await pilot.press("q")
        await settle(pilot)
        assert isinstance(app.screen, FinishScreen)
        await pilot.press("q")
        await settle(pilot)
        assert not isinstance(app.screen, FinishScreen)


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (40, 12)])
async def test_a_loop_that_goes_on_says_what_it_has_come_to_so_far_at_any_size(
    project: RecordedProject, size: tuple[int, int]
) -> None:
    played(project)
    app = project.app()

    async with run_app(app, size) as pilot:
        await pilot.press("W")
        await settle(pilot)
        shown = " ".join(text(app).split())
        assert "The loop is still running" in shown
        assert "★ low" in shown
        assert re.search(r"· \d+ failed · \S+$", text(app).splitlines()[1].rstrip()) or size[0] < 80  # not cut
        few = app.screen.query_one("#below")
        assert few.size.height <= 8 or not few.display  # one round needs no tall chart
        await pilot.press("j", "k", "v", "plus")
        await settle(pilot)


@pytest.mark.parametrize("at_work", [False, True])
async def test_the_page_opens_by_itself_at_the_end_unless_somebody_is_at_work(
    project: RecordedProject, at_work: bool
) -> None:
    runs = played(project)
    app = project.app()

    async with run_app(app, (120, 40), engine=project) as pilot:
        if at_work:
            await pilot.press("r", "slash")
            await settle(pilot)
        below = app.screen
        end(project, runs)
        app.tick()
        await settle(pilot)
        if at_work:
            assert app.screen is below
            assert "the loop has ended: W shows the result" in text(app)
        else:
            assert isinstance(app.screen, FinishScreen)
            await pilot.press("q")
            await settle(pilot)
            assert app.screen is below


async def test_home_of_a_loop_that_has_ended_names_the_key(project: RecordedProject) -> None:
    finished(project)
    app = project.app()

    async with run_app(app, (80, 24)) as pilot:
        assert not isinstance(app.screen, FinishScreen)
        assert "all rounds are done; W: the result" in text(app)
        assert "q quit" in text(app)
        assert "W result" in text(app)
        await pilot.press("r")
        await settle(pilot)
        assert "q back" in text(app)
