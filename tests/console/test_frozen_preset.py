"""The console asks the loop's own copy of its preset, whatever has become of the file that the loop was started with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.model import Run, RunState
from autoloop_tui.console.present.proposal_edits import EditJudge
from autoloop_tui.console.present.run_launch import planned

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.screens.dialogs import Ask
from tests.console.projects import Project
from tests.console.waiting import settle

PRESET = """
name = "mine"
title = "a preset of one's own"
argv = ["{python}", "{script}", "--mine"]
override_style = "dashed-space"
output_dir = "may-exist"
[flags]
config = "{config}"
lr = "7"
[resume]
checkpoint = "{output_dir}/checkpoints/last"
[resume.flags]
resume = "true"
steps = "{steps}"
"""


@pytest.fixture(params=["gone", "broken"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A loop whose preset file is gone or broken; its own copy is there."""
    project = Project(tmp_path)
    given = tmp_path / "mine.toml"
    if request.param == "broken":
        given.write_text("name = [")
    kept = project.store.places.frozen(project.loop.name)
    kept.mkdir(parents=True)
    (kept / "preset.toml").write_text(PRESET)
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset=str(given)))
    return project


def opened(project: Project, script: Callable[[Any, ConsoleApp], Awaitable[None]]) -> None:
    async def main() -> None:
        app = project.app()
        async with app.run_test(size=(120, 40)) as pilot:
            await settle(pilot)
            await script(pilot, app)

    with project.engine():
        asyncio.run(main())


def ended(project: Project) -> Run:
    run = project.run("done")
    assert run.output_dir is not None
    (Path(run.output_dir) / "checkpoints/last").mkdir(parents=True)
    return run


def test_the_launch_of_a_run_is_shown(project: Project) -> None:
    run = project.run("later", RunState.QUEUED)

    async def script(pilot: Any, app: ConsoleApp) -> None:
        assert app.feed.view is not None
        plan, problem = planned(app.feed.view, run, None)
        assert problem == ""
        assert plan is not None
        assert "--mine" in plan.argv

    opened(project, script)


def test_an_ended_run_can_be_extended(project: Project) -> None:
    run = ended(project)

    async def script(pilot: Any, app: ConsoleApp) -> None:
        app.open_run(run.id)
        await settle(pilot)
        await pilot.press("plus")
        await settle(pilot)
        assert isinstance(app.screen, Ask)

    opened(project, script)


def test_edits_are_judged(project: Project) -> None:
    run = project.run("done", config={"lr": 1e-3, "seed": 1})

    async def script(pilot: Any, app: ConsoleApp) -> None:
        assert app.feed.view is not None
        judge = EditJudge(app.feed.store, project.loop, app.feed.view.metrics, "ada")
        outcome = judge.outcome(run, ["seed=2", "lr=0.1"], 1)
        assert [change.path for change in outcome.changes] == ["seed"], outcome
        assert any("lr" in note for note in outcome.notes), "a flag of the preset sets it"

    opened(project, script)
