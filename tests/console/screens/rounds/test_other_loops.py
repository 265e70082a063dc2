"""Rounds: the runs of the project's other loops."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from autoloop.model import (
    Loop,
    LoopEnd,
    LoopEndKind,
    LoopState,
    Round,
    RoundState,
    RunState,
)

from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import NOW, RecordedProject, painted
from tests.console.running import ConsolePilot
from tests.console.screens.rounds.driving import family, on_rounds, shown_runs, table_rows
from tests.console.waiting import settle, until


def older_loop(project: RecordedProject, runs: int = 2) -> Any:
    """Add a finished loop that is older than the one shown."""
    spec = msgspec.structs.replace(project.spec, name="last week")
    loop = Loop(
        id=90 + project.loop.id,
        name="loop_1600000000",
        state=LoopState.FINISHED,
        spec=spec,
        output_dir=str(project.folder / "old"),
        created_at=NOW - 9000,
        end=LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all rounds done"),
    )
    project.store.put_loop(loop)
    project.store.put_round(Round(loop=loop.id, number=1, state=RoundState.DONE, started_at=NOW - 9000))
    for number in range(runs):
        project.store.put_run(msgspec.structs.replace(project.run(f"old_{number}", id=f"old{number}"), loop=loop.id))
    return loop


async def test_capital_l_adds_the_runs_of_the_projects_other_loops_and_takes_them_away(project: RecordedProject) -> None:
    base, *_ = family(project)
    older_loop(project)

    async with on_rounds_of(project) as (pilot, screen):
        assert "old0" not in shown_runs(screen)
        await pilot.press("asterisk")
        await until(pilot, lambda: "old0" in shown_runs(screen), "the other loop's runs")
        assert {"old0", "old1", base.id} <= set(shown_runs(screen))
        await pilot.press("G")
        await settle(pilot)
        assert any("last week (loop_1600000000)" in row for row in table_rows(screen))
        await pilot.press("asterisk")
        await settle(pilot)
        assert "old0" not in shown_runs(screen)


def on_rounds_of(project: RecordedProject) -> AbstractAsyncContextManager[tuple[ConsolePilot, RoundsScreen]]:
    """Open Rounds on the project's own loop, even if another is newer."""
    return on_rounds(project, loop=project.loop.name)


async def test_opening_a_run_of_another_loop_makes_the_console_look_at_that_loop(project: RecordedProject) -> None:
    base, *_ = family(project)
    loop = older_loop(project)

    async with on_rounds_of(project) as (pilot, screen):
        await pilot.press("asterisk")
        await until(pilot, lambda: "old0" in shown_runs(screen), "the other loop's runs")
        screen.query_one(Table).go_to("old0")
        await pilot.press("t")
        assert "open it first" in "".join(painted(screen.query_one("#hints")))
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert pilot.app.feed.loop_id == loop.id
        await pilot.press("q")
        await settle(pilot)
        assert screen.query_one(Table).cursor == "old0"
        assert base.id in shown_runs(screen)


async def test_runs_of_other_loops_are_read_anew_when_the_screen_is_looked_at_again(project: RecordedProject) -> None:
    base, *_ = family(project)
    loop = older_loop(project)
    running = msgspec.structs.replace(project.store.run("old0"), state=RunState.RUNNING, ended_at=None)
    project.store.put_run(running)

    async with on_rounds_of(project) as (pilot, screen):
        await pilot.press("asterisk")
        await until(pilot, lambda: "old0" in shown_runs(screen), "the other loop's runs")
        assert screen.known.rows["old0"].run.state is RunState.RUNNING
        await pilot.press("s")
        project.store.put_run(msgspec.structs.replace(running, state=RunState.FAILED, ended_at=NOW))
        await pilot.press("r")
        await settle(pilot)
        assert {"old0", "old1", base.id} <= set(shown_runs(screen))
        await until(pilot, lambda: screen.known.rows["old0"].run.state is RunState.FAILED, "how it ended")

        pilot.app.look_at(loop)
        await pilot.press("r")
        await settle(pilot)
        assert {"old0", "old1", base.id} <= set(shown_runs(screen))
        project.store.put_run(msgspec.structs.replace(base, state=RunState.LOST))
        await pilot.press("s", "r")
        await until(pilot, lambda: screen.known.rows[base.id].run.state is RunState.LOST, "the loop that was left")
