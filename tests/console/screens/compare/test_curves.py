"""The chart of a metric, with a line per run."""

from __future__ import annotations

from autoloop.model import RunState

from autoloop_tui.console.widgets.chart import Chart
from tests.console.projects import RecordedProject
from tests.console.screens.compare.driving import config, metrics, on_compare, text_of, three
from tests.console.waiting import settle


async def test_the_chart_draws_each_run_in_its_colour_with_its_letter_beside_its_end(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(200, 50)) as (_, screen):
        chart = screen.query_one(Chart)
        assert [line.look for line in chart.lines] == ["chart-1", "chart-2", "chart-3"]
        rows = text_of(screen, "#chart")
        assert "eval_l1" in rows[0]
        ends = {letter: y for y, row in enumerate(rows[1:]) for letter in row.rpartition("  ")[2] if letter in "abc"}
        assert ends["c"] < ends["a"] < ends["b"]


async def test_a_config_with_several_seeds_has_their_band_behind_its_curve(project: RecordedProject) -> None:
    seeds = [
        project.run(f"low,seed={n}", config=config(seed=n), group="low", seed=str(n), metrics=metrics(0.3 + n / 10))
        for n in range(2)
    ]
    alone = project.run("alone", group="alone", metrics=metrics(0.5))

    async with on_compare(project, marked=[seeds[0].id, alone.id]) as (_, screen):
        chart = screen.query_one(Chart)
        for _ in range(4):
            screen.tick()
        assert [line.band is not None for line in chart.lines] == [True, False]
        assert chart.unit == "bands: seeds, min to max"


async def test_h_and_l_change_the_metric_of_the_chart_and_y_its_axis(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (pilot, screen):
        seen = [text_of(screen, "#chart")[0]]
        for key in ("l", "right", "l", "h", "left"):
            await pilot.press(key)
            await settle(pilot)
            seen.append(text_of(screen, "#chart")[0])
        names = [next(n for n in ("eval_l1", "l1_loss", "ot_pi_sum") if f" {n} " in row) for row in seen]
        assert names == ["eval_l1", "l1_loss", "ot_pi_sum", "eval_l1", "ot_pi_sum", "l1_loss"]
        await pilot.press("Y")
        await settle(pilot)
        assert "log₁₀" in text_of(screen, "#chart")[-1]
        await pilot.press("Y")
        await settle(pilot)
        assert "log₁₀" not in text_of(screen, "#chart")[-1]


async def test_runs_without_a_history_say_so(project: RecordedProject) -> None:
    marked = [
        project.run("empty", RunState.FAILED, metrics={}).id,
        project.run("waiting", RunState.QUEUED).id,
        project.run("silent", RunState.RUNNING, metrics={}).id,
    ]

    async with on_compare(project, marked=marked) as (_, screen):
        rows = text_of(screen, "#legend")
        assert rows[1].endswith("no history")
        assert rows[2].endswith("not started")
        assert rows[3].endswith("no history")
        assert any("no points yet" in row for row in text_of(screen, "#chart"))
        assert any("no metric yet" in row for row in text_of(screen, "#metrics"))


async def test_capital_c_draws_one_run_alone_then_the_next_then_all(project: RecordedProject) -> None:
    runs = [project.run(f"r{number}") for number in range(2)]

    async with on_compare(project, marked=[run.id for run in runs]) as (pilot, screen):
        drawn = []
        for _ in range(3):
            await pilot.press("C")
            await settle(pilot)
            drawn.append([line.label for line in screen.query_one(Chart).lines])
        assert drawn == [["r0"], ["r1"], ["r0", "r1"]]
