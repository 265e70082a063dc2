"""The keys of the Slots screen, and that it stays complete and fast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.model import Run, RunState
from autoloop.protocol import Stop

from autoloop_tui.console.actions import of_scope
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.slots.table import SlotTable
from tests.console.projects import CONFIG, RecordedProject, curve, painted
from tests.console.running import Size, view_of
from tests.console.screens.slots.driving import SIZES, busy, changed, drive, shown, table
from tests.console.waiting import settle
from tests.support.calls import calls_of

# -------------------------------------------------------------------------------------------------------------------- keys


def test_every_key_of_the_scope_has_its_action() -> None:
    assert [action.id for action in of_scope("slots") if not hasattr(SlotsScreen, f"action_{action.method}")] == []


@pytest.mark.parametrize("size", SIZES)
async def test_the_cursor_moves_by_keys_and_the_log_follows_it(tmp_path: Path, size: Size) -> None:
    async with drive(busy(tmp_path, slots=3), size) as (pilot, screen):
        for key, at in (("j", 1), ("j", 2), ("down", 2), ("k", 1), ("up", 0), ("k", 0), ("2", 2), ("0", 0), ("9", 0)):
            await pilot.press(key)
            assert screen.table.place == at, key
        await pilot.press("1")
        await settle(pilot)
        assert "run 1 line 79" in "\n".join(painted(screen.query_one(LogTail)))
        assert "$ autoloop-tui logs run00003" in shown(pilot)


async def test_moving_the_cursor_paints_only_the_two_rows_it_leaves_and_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with drive(busy(tmp_path, slots=8), (200, 50)) as (pilot, screen):
        # Stop the clock's drawing, because only the keys are tested.
        monkeypatch.setattr(screen, "tick", lambda: None)
        painted_regions = calls_of(monkeypatch, SlotTable, "refresh")
        await pilot.press("j")
        assert [region.y for call in painted_regions for region in call[1:]] == [1, 2]


async def test_a_click_chooses_a_slot(tmp_path: Path) -> None:
    async with drive(busy(tmp_path), (120, 40)) as (pilot, screen):
        assert await pilot.click(SlotTable, offset=(60, 2))
        await settle(pilot)
        assert screen.table.place == 1


@pytest.mark.parametrize("size", SIZES)
async def test_log_charts_and_config_are_shown_by_their_keys(tmp_path: Path, size: Size) -> None:
    async with drive(busy(tmp_path), size) as (pilot, screen):
        wide = size[0] >= 100
        await pilot.press("m")
        await settle(pilot)
        assert screen.query_one("#chart0", Chart).is_on_screen
        assert screen.query_one(LogTail).is_on_screen == wide
        await pilot.press("d")
        await settle(pilot)
        config = screen.query_one("#config", RowPane)
        assert config.is_on_screen
        told = "\n".join(painted(config))
        assert "against base" in told
        assert "ot.lambda_ot" in told
        assert "0.1" in told
        assert "0.2" in told
        assert not screen.query_one(LogTail).is_on_screen
        assert screen.query_one("#chart0", Chart).is_on_screen == wide
        await pilot.press("j")
        await settle(pilot)
        assert "1.2" in "\n".join(painted(config))
        await pilot.press("L")
        await settle(pilot)
        assert screen.query_one(LogTail).is_on_screen
        assert not config.is_on_screen
        assert screen.query_one("#chart0", Chart).is_on_screen == wide


async def test_a_config_that_cannot_be_read_or_is_too_long_says_so(tmp_path: Path) -> None:
    project = busy(tmp_path, slots=1)
    base = project.run("other")
    project.run("many", RunState.RUNNING, base=base, slot=0, config={**CONFIG, **{f"key{i}": i for i in range(300)}})

    project.change_loop(spec=project.spec)
    for run in project.store.runs(project.loop.id):
        if run.name == "run_0":
            project.store.put_run(changed(run, state=RunState.FINISHED, slot=None, started_at=1.0))
    async with drive(project) as (pilot, screen):
        await pilot.press("d")
        await settle(pilot)
        assert "open the run" in "\n".join(painted(screen.query_one("#config")))

    project.store.places.config("run00004").unlink(missing_ok=True)
    async with drive(project) as (pilot, screen):
        await pilot.press("d")
        await settle(pilot)
        assert "cannot be read" in "\n".join(painted(screen.query_one("#config")))


async def test_charts_go_logarithmic_and_on_to_the_next_metrics(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    metrics = {f"train/m{i}": curve() for i in range(7)}
    project.run("some", RunState.RUNNING, metrics=metrics, log="x\n")

    async with drive(project) as (pilot, screen):
        await pilot.press("m")
        await settle(pilot)
        chart = screen.query_one("#chart0", Chart)
        first = chart.chart_title
        await pilot.press("Y")
        assert chart.log_y
        await pilot.press("Y")
        assert not chart.log_y
        seen = [first]
        for _ in range(7):
            await pilot.press("l")
            seen.append(chart.chart_title)
        assert len(set(seen)) == 7
        assert seen[0] == seen[7]


async def test_enter_opens_the_run_and_q_comes_back(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        await pilot.press("j", "enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert pilot.app.screen.run_id == "run00003"
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen
        assert screen.table.place == 1


async def test_tab_goes_to_the_log_where_its_own_keys_work_and_back(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        await pilot.press("tab")
        assert screen.query_one(LogTail).has_focus
        await pilot.press("g")
        await settle(pilot)
        assert "run 0 line 0" in "\n".join(painted(screen.query_one(LogTail)))
        await pilot.press("tab")
        assert screen.query_one(SlotTable).has_focus


@pytest.mark.parametrize("size", SIZES)
async def test_stopping_a_run_asks_with_cancel_under_the_cursor(tmp_path: Path, size: Size) -> None:
    project = busy(tmp_path)

    async with drive(project, size) as (pilot, screen):
        for answer in ("enter", "n", "q", "escape"):
            await pilot.press("x")
            await settle(pilot)
            assert isinstance(pilot.app.screen, Confirm)
            assert pilot.app.focused.id == "no"
            assert "checkpoints" in shown(pilot)
            await pilot.press(answer)
            await settle(pilot)
            assert pilot.app.screen is screen
        assert project.commands() == []
        await pilot.press("j", "x")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert project.commands() == [Stop(run="run00003")]


# ------------------------------------------------------------------------------------------------------------------ others


@pytest.mark.parametrize("size", SIZES)
async def test_ascii_paints_no_other_character(tmp_path: Path, size: Size) -> None:
    project = busy(tmp_path)
    project.run("dead", RunState.FAILED, slot=None, reason="it fell over")
    project.run("next", RunState.QUEUED)

    async with drive(project, size, ascii_only=True) as (pilot, _):
        for key in ("l", "m", "d", "e", "q", "x", "n"):
            await pilot.press(key)
            await settle(pilot)
            told = shown(pilot)
            assert told.isascii(), (key, {c for c in told if not c.isascii()})


async def test_five_thousand_past_runs_are_walked_over_once_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = busy(tmp_path, slots=8)
    run = project.store.run("run00001")
    with project.store.transaction():
        for n in range(5000):
            past = changed(run, id=f"past{n}", name=f"past_{n}", position=100 + n, started_at=1.0, output_dir=None)
            project.store.put_run(past)

    async with drive(project, (200, 50)) as (pilot, screen):
        view = view_of(pilot.app)
        walked = []

        class Counted(list[Run]):
            def __iter__(self) -> Iterator[Run]:
                walked.append(1)
                return super().__iter__()

        fresh = type(view)(changed(view.snapshot, runs=Counted(view.snapshot.runs)), view.engine, view.metrics, view.project)
        monkeypatch.setattr(screen, "tick", lambda: None)  # it updates the time left in the round every second
        pilot.app.feed.view = fresh
        screen.refresh_view()
        once = len(walked)
        assert once <= 8
        for _ in range(20):
            fresh.run("past4999")
        await pilot.press("j", "k", "2")
        assert len(walked) == once


async def test_a_terminal_resized_again_and_again_stays_whole(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        for n in range(25):
            await pilot.resize_terminal(1 + n * 37 % 210, 1 + n * 13 % 55)
        await pilot.resize_terminal(120, 40)
        await settle(pilot)
        assert "run_0" in table(screen)
        assert "run 0 line 79" in shown(pilot)
