"""The console uses the loop's own copy of its preset, even if the original file has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.model import Run, RunState
from textual.pilot import Pilot

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.logs.tail import LastLines
from autoloop_tui.console.present.proposals.edits import edit_check
from autoloop_tui.console.present.run.launch import planned
from autoloop_tui.console.present.slots.facts import facts_of
from autoloop_tui.console.screens.dialogs import Ask
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import RecordedProject
from tests.console.running import run_app
from tests.console.waiting import settle

PRESET = """
name = "mine"
title = "a test preset"
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
def project(request: pytest.FixtureRequest, tmp_path: Path) -> RecordedProject:
    """A loop whose preset file is missing or broken, but which has its own copy."""
    project = RecordedProject(tmp_path)
    given = tmp_path / "mine.toml"
    if request.param == "broken":
        given.write_text("name = [")
    kept = project.store.places.frozen(project.loop.name)
    kept.mkdir(parents=True)
    (kept / "preset.toml").write_text(PRESET)
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset=str(given)))
    return project


@asynccontextmanager
async def opened(project: RecordedProject) -> AsyncIterator[tuple[Pilot[Any], ConsoleApp]]:
    app = project.app()
    async with run_app(app, (120, 40), engine=project) as pilot:
        yield pilot, app


def ended(project: RecordedProject) -> Run:
    run = project.run("done")
    assert run.output_dir is not None
    (Path(run.output_dir) / "checkpoints/last").mkdir(parents=True)
    return run


async def test_the_launch_of_a_run_is_shown(project: RecordedProject) -> None:
    run = project.run("later", RunState.QUEUED)

    async with opened(project) as (_, app):
        assert app.feed.view is not None
        plan, problem = planned(app.feed.view, run, None)
        assert problem == ""
        assert plan is not None
        assert "--mine" in plan.argv


async def test_an_ended_run_can_be_extended(project: RecordedProject) -> None:
    run = ended(project)

    async with opened(project) as (pilot, app):
        app.open_run(run.id)
        await settle(pilot)
        await pilot.press("plus")
        await settle(pilot)
        assert isinstance(app.screen, Ask)


async def test_the_preset_s_secrets_and_the_config_s_are_not_shown_in_a_log(project: RecordedProject) -> None:
    kept = project.store.places.frozen(project.loop.name) / "preset.toml"
    kept.write_text(PRESET + '[env]\nMY_TOKEN = "preset9ztoken"\n')
    log = "bare preset9ztoken, config9ztoken\n" * 3
    run = project.run("it", RunState.RUNNING, config={"lr": 1e-3, "hub": {"token": "config9ztoken"}}, log=log)

    async with opened(project) as (pilot, app):
        await settle(pilot)
        assert isinstance(app.screen, SlotsScreen)
        assert app.feed.view is not None
        assert (
            facts_of(app.feed.view.loop.spec.slots[0], app.feed.view, app.feed, None, LastLines()).last_line
            == "bare ***, ***"
        )
        views = [app.screen.query_one(LogTail)]
        app.open_run(run.id)
        await settle(pilot)
        await pilot.press("2")
        await settle(pilot)
        views.append(app.screen.query_one("#part-log", LogTail))
        for view in views:
            assert view.log_file is not None
            assert view.log_file.lines(0, 3) == view.log_file.last_lines(3) == ["bare ***, ***"] * 3


async def test_edits_are_judged(project: RecordedProject) -> None:
    run = project.run("done", config={"lr": 1e-3, "seed": 1})

    async with opened(project) as (_, app):
        assert app.feed.view is not None
        outcome = edit_check(app.feed.store, app.feed.view.loop, run, 1)(["seed=2", "lr=0.1"])
        assert [change.path for change in outcome.changes] == ["seed"], outcome
        assert any("lr" in note for note in outcome.notes), "a flag of the preset sets it"
