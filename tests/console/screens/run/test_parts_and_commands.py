"""The Run screen: its header, its parts, and the requests it sends to the engine."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import pytest
from autoloop.gpu_history import GpuHistory
from autoloop.gpus import GIB, Gpu
from autoloop.model import RunState, Series
from autoloop.protocol import Kill, Retry, Stop

from autoloop_tui.console.actions import of_scope
from autoloop_tui.console.drawing.paint import sparkline
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.run.browsing import PARTS, SLOW
from autoloop_tui.console.screens.run.screen import RunScreen
from tests.console.projects import RecordedProject, painted
from tests.console.running import at_each
from tests.console.screens.run.driving import SIZES, drive, press, seen
from tests.console.waiting import settle, until


async def test_header_says_who_how_far_and_where_from_at_every_size(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        async for width, _ in at_each(pilot, SIZES):
            who, far, origin = painted(screen.query_one("#run-head"))
            assert "▶ running" in who
            assert "variant" in who
            assert "round 2" in who
            assert "base baseline" in who
            assert "50%" in far
            assert "100/200" in far
            assert "steps/s" in far
            assert "eta 50s" in far  # half a second per step in the history
            assert "tau_src 0.05→0.5" in origin
            assert ("vs base" in far) == (width >= 100)


async def test_a_run_of_the_first_round_tells_the_file_it_was_given_as(project: RecordedProject) -> None:
    run = project.run("first")

    async with drive(project, run) as (pilot, screen):
        assert "from configs/first.json" in painted(screen.query_one("#run-head"))[2]
        await press(pilot, "3")
        assert "baseline, unchanged" in seen(screen)


async def test_a_running_run_stands_against_its_base_at_the_same_step(project: RecordedProject) -> None:
    key = "eval/offline_eval/avg_l1"
    base = project.run("base", metrics={key: Series(array("q", [50, 100, 200]), array("d", [0.9, 0.6, 0.3]))})
    mine = {key: Series(array("q", [50, 100]), array("d", [0.9, 0.58]))}
    run = project.run("going", RunState.RUNNING, base=base, metrics=mine, log="x\n")

    async with drive(project, run, (160, 40)) as (pilot, screen):
        for _ in range(SLOW):
            screen.tick()
        await settle(pilot)
        assert "-0.02 vs base at step 100" in painted(screen.query_one("#run-head"))[1]


async def test_an_unknown_run_is_said_and_survived(project: RecordedProject) -> None:
    project.run("there")

    async with drive(project, "nowhere") as (pilot, screen):
        assert "This loop has no run nowhere" in seen(screen)
        for key in ("tab", "2", "3", "4", "1", "h", "l", "x", "t", "n", "w", "y"):
            await press(pilot, key)
        assert pilot.app.is_running


async def test_tab_and_numbers_reach_every_part(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        shown = []
        for key in ("1", "tab", "tab", "tab", "tab", "2", "3", "4", "m", "d"):
            await press(pilot, key)
            shown.append(screen.part)
            assert [each for each in PARTS if screen.query_one(f"#part-{each}").display] == [screen.part]
        assert shown == [*PARTS, "charts", "log", "config", "launch", "charts", "config"]


def test_every_action_of_the_scope_has_a_method() -> None:
    for action in of_scope("run"):
        assert callable(getattr(RunScreen, f"action_{action.method}"))


async def test_the_last_line_shows_the_command_of_the_part(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "2")
        assert painted(screen.query_one("#hints"))[1].strip() == f"$ autoloop-tui logs {variant.id}"


async def test_hints_of_a_part_follow_remapped_keys(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        pilot.app.preferences.keys["log.filter"] = "F"
        await press(pilot, "2")
        assert "F filter" in painted(screen.query_one("#run-parts"))[0]


async def test_stopping_asks_first_and_cancel_is_the_answer_under_the_cursor(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, _):
        await press(pilot, "x")
        assert isinstance(pilot.app.screen, Confirm)
        assert "checkpoints and metrics so far are kept" in pilot.app.screen.why
        await press(pilot, "enter")
        assert project.commands() == []
        await press(pilot, "x", "y")
        assert project.commands() == [Stop(run=variant.id)]


@pytest.mark.parametrize(
    ("state", "asked"), [(RunState.QUEUED, Stop), (RunState.STOPPING, Kill)], ids=["queued", "stopping"]
)
async def test_what_stop_asks_depends_on_the_state(project: RecordedProject, state: Any, asked: Any) -> None:
    run = project.run("some", state)

    async with drive(project, run) as (pilot, _):
        await press(pilot, "x", "y")
        assert project.commands() == [asked(run=run.id)]


async def test_an_ended_run_has_nothing_to_stop(project: RecordedProject) -> None:
    run = project.run("done")

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "x")
        assert "there is nothing to stop" in painted(screen.query_one("#hints"))[1]
        assert pilot.app.screen is screen


async def test_retry_is_sent(project: RecordedProject) -> None:
    run = project.run("broken", RunState.FAILED)

    async with drive(project, run) as (pilot, _):
        await press(pilot, "t")
        assert project.commands() == [Retry(run=run.id)]


async def test_without_an_engine_the_key_that_restarts_it_is_said(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, engine=False) as (pilot, screen):
        await press(pilot, "x", "y")
        assert "press R to restart it" in painted(screen.query_one("#hints"))[1]
        assert project.commands() == []


@pytest.mark.parametrize("part", ["1", "2", "3", "4"])
async def test_a_variant_is_asked_for_in_every_part(project: RecordedProject, variant: Any, part: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, part, "v")
        assert pilot.app.screen is not screen


async def test_what_the_run_uses_of_its_gpus_is_a_row_once_the_engine_has_sampled_it(
    project: RecordedProject, variant: Any
) -> None:
    async with drive(project, variant) as (pilot, screen):
        row = screen.query_one("#run-gpu")
        assert not row.display
        history = GpuHistory(gpus=1)
        for at, utilisation in enumerate((90, 0, 90, 100)):
            history.add(1e9 + 5 * at, 5.0, [Gpu(index=0, name="x", utilisation=utilisation, memory_used=GIB, power=300.0)])
        sparks = sparkline([point.utilisation or 0.0 for point in history.points], 4, span=(0.0, 100.0)).strip()
        assert len(sparks) == 4
        history.write(Path(project.store.attempts(variant.id)[-1].directory))
        await until(pilot, lambda: any("GPU" in line for line in painted(row)), "the row")
        words = "utilisation 70 %, idle 25 % of the time, memory up to 1 GiB, 300 W"
        assert painted(row)[0].startswith(f" GPU {sparks}  {words}")
