"""The metrics side by side."""

from __future__ import annotations

from autoloop.model import RunState

from autoloop_tui.console.widgets.table import Table
from tests.console.projects import RecordedProject
from tests.console.screens.compare.driving import L1, metrics, on_compare, text_of, three
from tests.console.waiting import settle, until


async def test_metrics_stand_side_by_side_with_their_change_and_the_run_that_leads(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(150, 50)) as (_, screen):
        rows = text_of(screen, "#metrics")
        row = next(row for row in rows if "eval_l1" in row)
        assert "eval_l1 ↓" in row
        assert row.endswith("lowest b")
        assert " -0.29" in row
        assert " +0.29" in row
        mass = next(row for row in rows if "ot_pi_sum" in row)
        assert "ot_pi_sum ↑" in mass
        assert mass.endswith("highest b")


async def test_where_there_is_little_room_the_changes_stand_below_the_values(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(60, 24)) as (pilot, screen):
        await pilot.press("tab")
        await settle(pilot)
        rows = text_of(screen, "#metrics")
        place = next(y for y, row in enumerate(rows) if "eval_l1" in row)
        assert "-0.29" not in rows[place]
        assert "-0.29" in rows[place + 1]
        await pilot.press("j")
        assert screen.query_one("#metrics", Table).cursor == L1


async def test_a_run_that_goes_on_is_compared_by_what_it_has_reached(project: RecordedProject) -> None:
    first = project.run("done", metrics=metrics(0.5))
    going = project.run("going", RunState.RUNNING, metrics=metrics(0.3))

    async with on_compare(project, marked=[first.id, going.id]) as (pilot, screen):
        await until(pilot, lambda: any("0.3" in row for row in text_of(screen, "#metrics") if "eval_l1" in row))
