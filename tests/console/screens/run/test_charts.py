"""The screen of one run: its charts and figures."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.metric_readers import follow
from autoloop.metrics import default_book, summarise
from autoloop.model import Run

from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.run.charts import RunCharts
from tests.console.projects import RecordedProject, curve, history, output_of, painted
from tests.console.screens.run.driving import drive, press
from tests.console.waiting import settle


async def test_the_chart_draws_the_run_over_its_base(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        chart = screen.query_one(Chart)
        run, base = chart.lines
        assert (run.label, run.base) == ("this run", False)
        assert (base.label, base.base) == ("base", True)
        assert len(run.series) == 5
        assert len(base.series) == 10
        assert "╌" in "\n".join(painted(chart))


@pytest.mark.parametrize(("forth", "back"), [("l", "h"), ("right", "left"), ("j", "k")])
async def test_h_and_l_walk_through_the_metrics_key_metrics_first(
    project: RecordedProject, variant: Any, forth: Any, back: Any
) -> None:
    async with drive(project, variant) as (pilot, screen):
        charts, walked = screen.query_one(RunCharts), []
        for _ in range(4):
            walked.append(charts.metric)
            await press(pilot, forth)
        first = "eval/offline_eval/avg_l1"
        assert walked == [first, "train/l1_loss", "train/grad_norm", first]
        await press(pilot, back)
        assert charts.metric == first
        assert "eval_l1" in painted(screen.query_one(Chart))[0]


async def test_wide_screens_list_all_metrics_with_their_figures(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (_, screen):
        head, *rows = painted(screen.query_one("#run-metrics"))[1:]
        assert head.split() == ["last", "best", "change", "noise"]
        figures = variant_figures(project, variant, "train/l1_loss")
        row = next(row for row in rows if "l1_loss" in row).split()
        assert row[:3] == ["l1_loss", f"{figures.last:.4g}", f"{figures.best:.4g}"]
        assert row[3].startswith("-0.")
        assert rows[0].startswith("▌")


def variant_figures(project: RecordedProject, run: Run, name: str) -> Any:
    follower = follow(output_of(run), run_id=run.id)
    while follower.poll():
        pass
    return summarise(follower.columns, default_book()).metrics[name]


async def test_xwide_screens_add_the_change_to_the_base(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (200, 50)) as (_, screen):
        assert "to base" in painted(screen.query_one("#run-metrics"))[1]


async def test_narrow_screens_have_the_figures_in_one_line(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        (row,) = painted(screen.query_one("#run-figures"))
        assert row.startswith(" 1/3 eval_l1  last ")
        assert "noise" in row


async def test_a_click_on_a_metric_chooses_it(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        await pilot.click("#run-metrics", offset=(5, 4))
        await settle(pilot)
        assert screen.query_one(RunCharts).metric == "train/grad_norm"


async def test_smoothing_is_off_at_first_and_said_when_on(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        chart = screen.query_one(Chart)
        assert [line.label for line in chart.lines] == ["this run", "base"]
        await press(pilot, "w")
        assert [line.label for line in chart.lines] == ["smooth", "this run", "base"]
        assert "smoothed" in painted(chart)[0]
        assert "smoothing on" in painted(screen.query_one("#hints"))[1]
        await press(pilot, "w")
        assert "smoothed" not in painted(chart)[0]


async def test_the_value_axis_turns_logarithmic(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "Y")
        assert screen.query_one(Chart).log_y
        assert painted(screen.query_one(Chart))[-1].startswith("log₁₀ ")


async def test_points_that_come_are_drawn_at_the_next_ticks(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        before = len(screen.query_one(Chart).lines[0].series)
        history(output_of(variant), {"eval/offline_eval/avg_l1": curve(8, 1.1, 0.3, 20)})
        for _ in range(4):
            screen.tick()
        assert len(screen.query_one(Chart).lines[0].series) == 8 > before
