"""`+` on the Run screen: an ended run continues to more steps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from autoloop.model import Loop, LoopEnd, LoopEndKind, LoopState, RunState
from autoloop.protocol import Extend
from autoloop.store import Store
from textual.widgets import Input, Label

from autoloop_tui.console.screens.dialogs import Ask
from tests.console.projects import RecordedProject, output_of, painted
from tests.console.running import on_top
from tests.console.screens.run.driving import drive, press
from tests.console.waiting import settle


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    project = RecordedProject(tmp_path)
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset="lerobot"))
    return project


def with_checkpoint(project: RecordedProject, state: Any = RunState.FINISHED, name: str = "done", **more: Any) -> Any:
    run = project.run(name, state, **more)
    (output_of(run) / "checkpoints/last").mkdir(parents=True)
    return run


def problem(dialog: Any) -> str:
    return str(dialog.query_one(".problem", Label).content)


async def test_the_total_is_judged_while_one_types_and_then_sent(project: RecordedProject) -> None:
    run = with_checkpoint(project)

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "plus")
        dialog = pilot.app.screen
        assert isinstance(dialog, Ask)
        line = dialog.query_one(Input)
        assert (line.value, problem(dialog)) == ("400", "200 more steps")
        for text, words in (
            ("200", "has already made 200 steps"),
            ("9" * 30, "A run makes at most"),
            ("4e3", "a whole number"),
            ("", "a whole"),
        ):
            line.value = text
            await settle(pilot)
            assert words in problem(dialog)
            await press(pilot, "enter")
            assert pilot.app.screen is dialog
        line.value = " 250 "
        await settle(pilot)
        assert problem(dialog) == "50 more steps"
        await press(pilot, "enter")
        assert project.commands() == [Extend(run=run.id, steps=250)]
        assert pilot.app.screen is screen


async def test_leaving_the_question_sends_nothing(project: RecordedProject) -> None:
    run = with_checkpoint(project, RunState.STOPPED)

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "plus")
        assert "more steps" in problem(pilot.app.screen)
        await press(pilot, "escape")
        assert pilot.app.screen is screen
        assert project.commands() == []
        assert f"autoloop-tui extend {run.id} --steps 200" in "".join(painted(screen.query_one("#hints")))


@pytest.mark.parametrize(
    ("state", "preset", "words"),
    [
        (RunState.FINISHED, "lerobot", "has no checkpoint"),
        (RunState.RUNNING, "lerobot", "only ended runs can be extended"),
        (RunState.FINISHED, "plain", "plain has no [resume] table"),
    ],
)
async def test_what_cannot_go_on_is_said_and_nothing_is_asked(
    project: RecordedProject, state: Any, preset: Any, words: str
) -> None:
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset=preset))
    run = project.run("some", state)

    async with drive(project, run, (200, 50)) as (pilot, screen):
        await press(pilot, "plus")
        assert pilot.app.screen is screen
        assert words in "".join(painted(screen.query_one("#hints")))
        assert project.commands() == []


async def test_an_engine_is_started_for_a_loop_that_has_ended(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_checkpoint(project)
    project.change_loop(state=LoopState.STOPPED, end=LoopEnd(kind=LoopEndKind.USER, text="stopped by ada"))
    started = []

    def spawn(store: Store, loop: Loop) -> SimpleNamespace:
        started.append(loop.id)
        return SimpleNamespace(pid=41)

    monkeypatch.setattr("autoloop.engine.spawn", spawn)

    async with drive(project, run, engine=False) as (pilot, _):
        await press(pilot, "plus")
        assert "it continues with its queue" in on_top(pilot.app, Ask).why
        await press(pilot, "enter")
        assert project.commands() == [Extend(run=run.id, steps=400)]
        await pilot.app.workers.wait_for_complete()
        assert started == [project.loop.id]


async def test_what_an_extended_run_prints_is_read_on_although_it_writes_to_the_same_directory(
    project: RecordedProject,
) -> None:
    line = "INFO step:{0} smpl:1 loss:0.5 grdn:1.0 lr:1.0e-04\n"
    run = with_checkpoint(project, metrics={}, log=line.format(200))

    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        feed = app.feed
        assert list(feed.read(run)["train/loss"].steps) == [200]
        again = msgspec.structs.replace(run, state=RunState.RUNNING, attempts=2, slot=0, total_steps=400)
        project.store.put_run(again)
        log = Path(project.attempt(again, 2).directory) / "log.txt"
        log.parent.mkdir(parents=True)
        log.write_text(line.format(300))
        feed.poll()
        assert list(feed.read(again)["train/loss"].steps) == [300]
        assert feed.step(again) == 300
