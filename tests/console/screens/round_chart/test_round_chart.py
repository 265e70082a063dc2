"""All runs of a round in one chart."""

from __future__ import annotations

from pathlib import Path

from autoloop_tui.console.screens.round_chart.screen import RoundChartScreen
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.widgets.chart import Chart
from tests.console.projects import RecordedProject, curve, painted
from tests.console.running import on_top, run_app
from tests.console.waiting import settle


async def test_every_run_is_drawn_with_its_letter_and_one_of_them_alone(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    runs = [
        project.run(
            f"run_{n}",
            config={"seed": n},
            group="one",
            seed=str(n),
            metrics={"train/l1_loss": curve(20, 1.0, 0.1 + n / 4)},
        )
        for n in range(3)
    ]
    app = project.app()
    async with run_app(app, (100, 30), engine=project) as pilot:
        app.open_run(runs[1].id)
        await settle(pilot)
        await pilot.press("M")
        await settle(pilot)
        screen = on_top(app, RoundChartScreen)
        for _ in runs:
            screen.tick()
        chart = screen.query_one(Chart)
        assert [(line.letter, line.look) for line in chart.lines] == [("b", "chart-2"), ("a", "chart-1"), ("c", "chart-3")]
        assert "round 1, metric 1 of 1: l1_loss" in painted(chart)[0]
        # The runs are seeds of one config, whose band is drawn once, behind the chosen run.
        assert [line.band is not None for line in chart.lines] == [True, False, False]
        assert chart.unit == "bands: seeds, min to max"
        rows = painted(screen.query_one("#round-runs"))
        assert rows[0].startswith(" 3 of 3 runs")
        assert rows[2].startswith("▌ b run_1")
        await pilot.press("j", "f")
        assert [line.letter for line in chart.lines] == ["c"]
        await pilot.press("f", "q")
        await settle(pilot)
        on_top(app, RunScreen)
    project.close()
