"""The parameters that differ."""

from __future__ import annotations

from autoloop_tui.console.widgets.table import Table
from tests.console.projects import RecordedProject
from tests.console.screens.compare.driving import on_compare, text_of, three
from tests.console.waiting import settle


async def test_only_parameters_that_differ_are_shown_until_d_shows_every_one(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (pilot, screen):
        rows = text_of(screen, "#parameters")
        assert "3 of 9 differ" in rows[0]
        shown = "\n".join(rows)
        assert "policy.optimizer_lr" in shown
        assert "ot.loss_config.reg" in shown
        assert "lambda_ot" not in shown
        await pilot.press("d")
        await settle(pilot)
        assert len(screen.query_one("#parameters", Table).keys) == 9
        await pilot.press("d")
        await settle(pilot)
        assert len(screen.query_one("#parameters", Table).keys) == 3


async def test_values_stand_in_columns_and_what_differs_from_the_first_run_is_marked(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (_, screen):
        rows = text_of(screen, "#parameters")
        rate = next(row for row in rows if "optimizer_lr" in row)
        reg = next(row for row in rows if "loss_config.reg" in row)
        assert rate.split() == ["›", "policy.optimizer_lr", "0.002", "*", "0.001", "0.002"]
        assert reg.split() == ["ot.loss_config.reg", "0.1", "0.1", "*", "0.4"]
        assert rate.index("0.002") == reg.index("0.1")
        head = rows[1]
        assert head.index("a ") == rate.index("0.002")


async def test_a_config_that_cannot_be_read_is_said_and_the_others_are_compared(project: RecordedProject) -> None:
    marked = three(project)
    project.store.places.config(marked[1]).unlink()

    async with on_compare(project, marked=marked) as (_, screen):
        assert text_of(screen, "#legend")[2].endswith("config cannot be read")
        assert f"{marked[1]} cannot be read (No such file" in "".join(text_of(screen, "#hints"))
        rows = text_of(screen, "#parameters")
        assert "2 of 9 differ" in rows[0]
        assert "?" in next(row for row in rows if "batch_size" in row)


async def test_equal_configs_are_said_to_be_equal(project: RecordedProject) -> None:
    marked = [project.run("one").id, project.run("two").id]

    async with on_compare(project, marked=marked) as (_, screen):
        assert any("the 9 parameters are the same in every run" in row for row in text_of(screen, "#parameters"))
