"""The chart of a metric, with one line per run."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from autoloop.model import RunState

from autoloop_tui.console.widgets.chart import Chart
from tests.console.projects import RecordedProject, curve, history
from tests.console.screens.compare.driving import L1, config, metrics, on_compare, text_of, three
from tests.console.waiting import settle, until


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
        assert any("no metrics yet" in row for row in text_of(screen, "#metrics"))


async def test_capital_c_draws_one_run_alone_then_the_next_then_all(project: RecordedProject) -> None:
    runs = [project.run(f"r{number}") for number in range(2)]

    async with on_compare(project, marked=[run.id for run in runs]) as (pilot, screen):
        drawn = []
        for _ in range(3):
            await pilot.press("C")
            await settle(pilot)
            drawn.append([line.label for line in screen.query_one(Chart).lines])
        assert drawn == [["r0"], ["r1"], ["r0", "r1"]]


async def test_a_run_that_was_extended_and_has_ended_again_has_its_new_end(project: RecordedProject) -> None:
    run, other = project.run("extended", metrics={L1: curve(5)}), project.run("other")

    async with on_compare(project, marked=[run.id, other.id]) as (pilot, screen):
        await until(pilot, lambda: all(side.read for side in screen.sides), "both are read")
        again = msgspec.structs.replace(run, attempts=2)
        project.store.put_run(again)
        project.attempt(again, 2)
        history(Path(str(run.output_dir)), {L1: curve(10)})

        def newest() -> list[float]:
            series = screen.sides[0].columns.get(L1)
            return list(series.steps) if series else []

        await until(pilot, lambda: newest() == list(curve(10).steps), "its new end")


async def test_a_history_that_begins_with_long_texts_is_drawn(project: RecordedProject) -> None:
    run, other = project.run("talks", metrics={}), project.run("other")
    file = next(Path(str(run.output_dir)).rglob("wandb-history.jsonl"))
    rows = [*({"_step": 0, "sample": "x" * 4000} for _ in range(300)), {"_step": 1, L1: 0.5}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    async with on_compare(project, marked=[run.id, other.id]) as (pilot, screen):
        await until(pilot, lambda: L1 in screen.sides[0].columns, "the point behind the texts")
