"""What the Slots screen shows over time: the best of each round, and the GPU use of a run."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from autoloop.gpu_history import GpuHistory, GpuPoint
from autoloop.gpus import GIB, Gpu, GpuReport
from autoloop.model import RoundState, RunState

from autoloop_tui.console.screens.slots import reading
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.telemetry import Sample, Sampler
from autoloop_tui.console.widgets.slots.detail import LOWEST
from tests.console.projects import CONFIG, RecordedProject, curve, painted
from tests.console.screens.slots.driving import busy, changed, drive, look_again, read_at_each
from tests.console.waiting import settle, until


def pane(screen: SlotsScreen, name: str) -> str:
    return "\n".join(painted(screen.query_one(name)))


@pytest.mark.parametrize(("seeds", "star"), [(1, False), (4, True)])
async def test_the_best_of_each_round_has_a_dot_and_only_a_shown_winner_a_star(
    tmp_path: Path, seeds: int, star: bool
) -> None:
    project = RecordedProject(tmp_path)
    for place, (number, end) in enumerate(((1, 0.41), (1, 0.35), (2, 0.2), (3, 0.3))):
        for seed in range(seeds):
            project.run(
                f"cfg{place}",
                config={**CONFIG, "batch_size": 8 + place, "seed": seed},
                round=number,
                group=f"g{place}",
                metrics={"eval/offline_eval/avg_l1": curve(10, 1.2, end + 0.001 * seed, 20)},
            )
    for number in (2, 3):
        project.round(number, RoundState.RUNNING)
    async with drive(project, (200, 50)) as (pilot, screen):
        async for size in read_at_each(pilot, screen, [(200, 50), (120, 40), (80, 24)]):
            if size[0] == 80:
                await pilot.press("m")
                await settle(pilot)
            told = pane(screen, "#best")
            assert "best per round" in told
            assert "baseline" in told
            assert told.count("●") == (2 if star else 3)
            assert told.count("★") == (1 if star else 0)
            assert ("better" in told) == star
            assert ("maybe noise" in told) == (not star)


async def test_one_round_has_no_axis_of_rounds(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    project.change_loop(spec=msgspec.structs.replace(project.loop.spec, rounds=1))
    for place, end in enumerate((0.41, 0.35)):
        project.run(
            f"cfg{place}", config={**CONFIG, "seed": place}, metrics={"eval/offline_eval/avg_l1": curve(10, 1.2, end, 20)}
        )
    async with drive(project, (120, 40)) as (_, screen):
        shown = pane(screen, "#best")
        assert "best 0.3773" in shown
        assert "baseline 0.4356" in shown
        assert "●" not in shown


async def test_without_a_finished_baseline_the_chart_says_so(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    async with drive(project, (120, 40)) as (_, screen):
        assert "the baseline has not finished yet" in pane(screen, "#best")


async def test_a_baseline_that_was_stopped_is_not_waited_for(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    project.run("base", RunState.STOPPED, group="base")
    project.run("other", group="other", metrics={"eval/offline_eval/avg_l1": curve(10, 1.2, 0.5, 20)})
    async with drive(project, (120, 40)) as (_, screen):
        assert "the baseline has no result (stopped)" in pane(screen, "#best")


@pytest.mark.parametrize("slots", [2, 10])
async def test_fewer_charts_are_shown_rather_than_charts_too_low_for_a_curve(tmp_path: Path, slots: int) -> None:
    async with drive(busy(tmp_path, slots=slots), (80, 24)) as (pilot, screen):
        await pilot.press("m")
        await settle(pilot)
        look_again(screen)
        await settle(pilot)
        grid = screen.query_one("#charts-grid")
        shown = [chart.size.height for chart in grid.children if chart.display and chart.size.height]
        assert shown
        assert all(height >= LOWEST for height in shown)
        assert sum(shown) == grid.size.height


async def test_what_a_run_uses_of_its_gpus_is_shown_as_the_engine_sampled_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Gpu(index=0, name="card", memory_total=120 * GIB)
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(GpuReport(gpus=(card,)), {}))
    project = busy(tmp_path)
    project.change_loop(spec=changed(project.spec, device="cuda", gpus=[0, 1]))
    points = [GpuPoint(1000.0 + 5 * n, float(n * 2), 30.0, 400.0 + n) for n in range(40)]
    history = GpuHistory(gpus=1, points=points, seconds=200.0, seconds_known=200.0, busy=39.0 * 200, seconds_idle=20.0)
    project.store.places.attempt("run00002-1").mkdir(parents=True, exist_ok=True)
    history.write(project.store.places.attempt("run00002-1"))
    async with drive(project, (120, 40)) as (pilot, screen):
        told = pane(screen, "#gpu")
        for words in ("gpu 0", "mean 39 %", "idle 10 % of the time", "78 %", "30 GiB", "439 W", "▇"):
            assert words in told
        look_again(screen)
        memory = next(row for row in pane(screen, "#gpu").splitlines() if "memory" in row)
        assert "▃" in memory  # a quarter of the GPU's memory, not a full bar
        assert "█" not in memory
        await pilot.press("j")  # to a run that was not sampled
        await settle(pilot)
        assert not screen.query_one("#gpu").display
        await pilot.press("k")
        await settle(pilot)
        look_again(screen)
        assert "gpu 0" in pane(screen, "#gpu")
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert not screen.query_one("#gpu").is_on_screen  # the log needs the rows


async def test_histories_are_read_and_logs_looked_at_only_of_the_slots_in_the_window(tmp_path: Path) -> None:
    async with drive(busy(tmp_path, slots=40)) as (pilot, screen):
        feed, view = pilot.app.feed, pilot.app.feed.view
        assert view is not None

        def read() -> list[int]:
            return [slot for slot, run in sorted(view.in_slots.items()) if feed.known(run)]

        first, last = screen.table.window
        assert (first, last) == (1, 10)
        assert read() == [*range(10)]
        assert [place for place, facts in enumerate(screen.table.facts) if facts.last_line] == [*range(10)]

        await pilot.press("G")
        await until(pilot, lambda: read()[-1] == 39, "the history under the cursor is read")
        look_again(screen)
        first, last = screen.table.window
        assert (first, last) == (31, 40)
        assert read()[-10:] == [*range(30, 40)]
        assert [facts.last_line for facts in screen.table.facts[30:]] == [f"run {n} line 79" for n in range(30, 40)]


async def test_the_history_of_an_ended_run_is_read_past_what_has_no_points_and_when_more_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOOK_AGAIN", 0.0)
    project = busy(tmp_path, slots=1)
    base = project.store.run("run00001")
    file = next(Path(str(base.output_dir)).rglob("wandb-history.jsonl"))
    last = json.loads(file.read_text().splitlines()[-1])["_step"]

    def add(*rows: dict[str, object]) -> None:
        with file.open("a") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)

    add(*({"_step": last, "sample": "x" * 2000} for _ in range(200)), {"_step": last + 1, "train/l1_loss": 0.5})
    async with drive(project) as (pilot, screen):

        def newest() -> float:
            series = pilot.app.feed.known(base).get("train/l1_loss")
            return series.steps[-1] if series else 0

        await until(pilot, lambda: newest() == last + 1, "the point behind the texts")
        look_again(screen)
        add({"_step": last + 2, "train/l1_loss": 0.4})
        await until(pilot, lambda: newest() == last + 2, "what came late")
