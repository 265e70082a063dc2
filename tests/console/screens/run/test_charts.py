"""The Run screen: its charts and figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from autoloop.metric_readers import follow
from autoloop.metrics import default_book, summarise
from autoloop.model import Run, RunState

from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.widgets.chart_grid import ChartGrid
from autoloop_tui.console.widgets.run.charts import RunCharts
from tests.console.projects import CONFIG, RecordedProject, curve, history, output_of, painted
from tests.console.screens.run.driving import drive, press
from tests.console.waiting import settle

EVAL = "eval/offline_eval/avg_l1"


def lines(screen: RunScreen, metric: str = EVAL) -> Sequence[Line]:
    """Return the lines in the chart of a metric."""
    return screen.query_one(RunCharts).panel(metric).lines


async def test_the_chart_draws_the_run_over_its_base(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        run, base = lines(screen)
        assert (run.label, run.base) == ("this run", False)
        assert (base.label, base.base) == ("base", True)
        assert len(run.series) == 5
        assert len(base.series) == 10
        assert "╌" in "\n".join(painted(screen.query_one(ChartGrid)))


@pytest.mark.parametrize(("forth", "back"), [("l", "h"), ("right", "left"), ("j", "k")])
async def test_keys_walk_through_the_zoomed_metrics_key_metrics_first(
    project: RecordedProject, variant: Any, forth: Any, back: Any
) -> None:
    async with drive(project, variant) as (pilot, screen):
        grid, walked = screen.query_one(ChartGrid), []
        await press(pilot, "enter")
        for _ in range(4):
            walked.append(grid.chosen)
            await press(pilot, forth)
        assert walked == [EVAL, "train/l1_loss", "train/grad_norm", "train/grad_norm"]
        await press(pilot, back)
        assert grid.chosen == "train/l1_loss"
        assert "l1_loss" in painted(grid)[0]


async def test_wide_screens_list_all_metrics_with_their_figures(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        await press(pilot, "enter")
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
    async with drive(project, variant, (200, 50)) as (pilot, screen):
        await press(pilot, "enter")
        assert "to base" in painted(screen.query_one("#run-metrics"))[1]


async def test_narrow_screens_have_the_figures_in_one_line(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        row = painted(screen.query_one(ChartGrid))[-1]
        assert row.startswith(" 1 of 3, 2 shown  eval_l1  last ")
        assert "change" in row


async def test_a_click_on_a_metric_chooses_it(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        await press(pilot, "enter")
        await pilot.click("#run-metrics", offset=(5, 4))
        await settle(pilot)
        assert screen.query_one(ChartGrid).chosen == "train/grad_norm"


async def test_smoothing_is_off_at_first_and_said_when_on(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        chart = screen.query_one(ChartGrid)
        assert [line.label for line in lines(screen)] == ["this run", "base"]
        await press(pilot, "w")
        assert [line.label for line in lines(screen)] == ["smooth", "this run", "base"]
        assert "smoothed" in painted(chart)[0]
        assert "smoothing on" in painted(screen.query_one("#hints"))[1]
        await press(pilot, "w")
        assert "smoothed" not in painted(chart)[0]


async def test_the_value_axis_turns_logarithmic(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "Y")
        assert screen.query_one(ChartGrid).log_y
        assert painted(screen.query_one(ChartGrid))[-2].startswith("log₁₀ ")


async def test_points_that_come_are_drawn_at_the_next_ticks(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        before = len(lines(screen)[0].series)
        history(output_of(variant), {"eval/offline_eval/avg_l1": curve(8, 1.1, 0.3, 20)})
        for _ in range(4):
            screen.tick()
        assert len(lines(screen)[0].series) == 8 > before


async def test_a_pinned_metric_comes_first_now_and_when_the_console_is_opened_again(
    project: RecordedProject, variant: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "autoloop"
    folder.mkdir()
    remembered = folder / "remembered.toml"
    # A file of another version or a broken one is no reason to fail.
    remembered.write_bytes(b"theme = 1\n[pins]\nx = 2\n")
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    preferences = Preferences.load(home)
    assert preferences.problems == []
    async with drive(project, variant, preferences=preferences) as (pilot, screen):
        await press(pilot, "l", "l", "space")
        assert screen.query_one(ChartGrid).names[0] == "train/grad_norm"
        assert "◆ grad_norm" in "".join(painted(screen.query_one(ChartGrid)))
        assert "grad_norm is pinned" in painted(screen.query_one("#hints"))[1]
    preferences.remember_theme("light")
    async with drive(project, variant, preferences=Preferences.load(home)) as (pilot, screen):
        assert screen.query_one(ChartGrid).names[0] == "train/grad_norm"
        await press(pilot, "space")
        assert screen.query_one(ChartGrid).names[0] == EVAL
    assert remembered.read_text() == 'theme = "light"\n'


async def test_a_metric_that_is_no_number_any_more_says_so_in_red_and_is_hatched(project: RecordedProject) -> None:
    gone = curve(20)
    for place in range(15, 20):
        gone.values[place] = math.nan
    run = project.run("nan", RunState.RUNNING, metrics={"train/l1_loss": gone})
    async with drive(project, run) as (_, screen):
        rows = painted(screen.query_one(ChartGrid))
        assert "NaN since step 64" in rows[0]
        assert "╱" in "".join(rows)


async def test_seeds_are_bands_and_thresholds_of_live_rules_are_lines_with_their_names(tmp_path: Path) -> None:
    book = tmp_path / "rules.toml"
    book.write_text(
        'name = "live"\nversion = 1\n'
        '[[rule]]\nid = "too-high"\nscope = "live"\nwhen = "l1_loss.last > 0.9"\nreason = "high"\n'
        '[[rule]]\nid = "far-off"\nscope = "live"\nwhen = "l1_loss.last > 900"\nreason = "far"\n'
    )
    (tmp_path / "p").mkdir()
    project = RecordedProject(tmp_path / "p", rules=str(book))
    try:
        bases = [
            project.run(f"base{n}", config={**CONFIG, "seed": n}, group="g", metrics={"train/l1_loss": curve(20, 1.0, end)})
            for n, end in enumerate((0.1, 0.5))
        ]
        run = project.run("variant", RunState.RUNNING, base=bases[0], metrics={"train/l1_loss": curve(20, 1.0, 0.2)})
        async with drive(project, run, (120, 40)) as (_, screen):
            for _ in range(8):
                screen.tick()
            mine, base = lines(screen, "train/l1_loss")
            assert mine.band is None
            assert base.label == "base, mean of 2 seeds, min to max"
            assert base.band is not None
            assert base.band.highs[-1] - base.band.lows[-1] == pytest.approx(0.4, abs=0.05)
            shown = "\n".join(painted(screen.query_one(ChartGrid)))
            assert "┄ too-high > 0.9 ┄┄" in shown
            assert "░" in shown
            assert "far-off" not in shown
    finally:
        project.close()
