"""The console: every key in its scope, dialogs, and the palette."""

from __future__ import annotations

import pytest
from autoloop.protocol import Pause, Resume, Stop

from autoloop_tui.cli.catalogue import GROUPS
from autoloop_tui.console.actions import ACTIONS, BY_ID, CHANGING, of_scope
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.palette import MOVES, Palette
from autoloop_tui.console.replay_app import ReplayApp
from autoloop_tui.console.screens.compare.screen import CompareScreen
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.help import HelpScreen
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.widgets.bars import HintBar
from tests.console.app.driving import SIZES, drive, hints, top
from tests.console.pictures import text
from tests.console.projects import RecordedProject, painted
from tests.console.running import Size, on_top, view_of
from tests.console.waiting import has_quit, settle, until


def test_every_action_that_ends_in_a_command_to_the_engine_is_off_in_a_read_only_console() -> None:
    sent = {*GROUPS["Decide"], *GROUPS["Act"]} - {"proposals"}
    changing = {each.id for each in ACTIONS if len(each.command.split()) > 1 and each.command.split()[1] in sent}
    assert changing - {"slots.queue"} <= CHANGING  # it opens the queue, in which other keys move runs
    assert BY_ID.keys() >= CHANGING


def test_every_key_of_the_scope_has_its_action() -> None:
    assert [action.id for action in of_scope("app") if not hasattr(ReplayApp, f"action_{action.method}")] == []


async def test_a_screen_opened_before_the_first_paint_is_completed_like_any_other(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = ConsoleApp.on_mount

    def on_mount(app: ConsoleApp) -> None:
        mount(app)
        app.call_later(app.run_action, "rounds")

    monkeypatch.setattr(ConsoleApp, "on_mount", on_mount)
    async with drive(project.app()) as pilot:
        await until(pilot, lambda: not view_of(pilot.app).brief)
        on_top(pilot.app, RoundsScreen)
        await until(pilot, lambda: "some" in text(pilot.app))


@pytest.mark.parametrize("size", SIZES)
async def test_screens_are_reached_by_their_keys_and_left_by_q(project: RecordedProject, size: Size) -> None:
    async with drive(project.app(), size) as pilot:
        app = pilot.app
        for key, kind in (("p", ProposalsScreen), ("r", RoundsScreen), ("c", CompareScreen), ("question_mark", HelpScreen)):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, kind)
            assert "loop_17" in top(app)
            await pilot.press("q")
            await settle(pilot)
            assert isinstance(app.screen, SlotsScreen)
        await pilot.press("p", "r", "c")
        await settle(pilot)
        assert [type(screen) for screen in app.screen_stack[1:]] == [SlotsScreen, RoundsScreen, CompareScreen]
        await pilot.press("q")
        await settle(pilot)
        assert isinstance(app.screen, RoundsScreen)  # the screen from which Compare was opened
        await pilot.press("s")
        await settle(pilot)
        assert isinstance(app.screen, SlotsScreen)
        await pilot.press("f1")
        await settle(pilot)
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "q")
        await settle(pilot)
        assert has_quit(app)


async def test_pause_and_resume_are_one_key(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        await pilot.press("P")
        assert project.commands() == [Pause()]
        project.change_loop(paused=True)
        pilot.app.tick()
        assert "paused: P continues" in top(pilot.app)
        await pilot.press("P")
        assert project.commands()[-1] == Resume()


@pytest.mark.parametrize("size", SIZES)
async def test_stopping_the_loop_asks_and_cancel_is_under_the_cursor(project: RecordedProject, size: Size) -> None:
    async with drive(project.app(), size, engine=project) as pilot:
        for no in ("enter", "n", "q", "escape"):
            await pilot.press("Q")
            await settle(pilot)
            assert isinstance(pilot.app.screen, Confirm)
            assert pilot.app.focused.id == "no"
            assert "queued again" in text(pilot.app)
            await pilot.press(no)
            await settle(pilot)
        assert project.commands() == []
        await pilot.press("Q")
        await settle(pilot)
        await pilot.press("l", "enter")  # to the other button
        await settle(pilot)
        assert project.commands() == [Stop()]


async def test_an_answer_is_told_also_below_a_dialog(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        await pilot.press("P")
        await pilot.press("e")
        await settle(pilot)
        project.store.answer(1, False, "it cannot be done")
        pilot.app.tick()
        await pilot.press("q")
        await settle(pilot)
        assert "it cannot be done" in hints(pilot.app)


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_the_palette_lists_the_actions_of_the_screen_with_their_keys_and_runs_them(
    project: RecordedProject, key: str
) -> None:
    async with drive(project.app(), (120, 40)) as pilot:
        app = pilot.app
        await pilot.press(key)
        await settle(pilot)
        assert isinstance(app.screen, Palette)
        offered = {each.title: each for each in on_top(app, Palette).entries}
        below = app.screen_stack[-2]
        for action in [*of_scope("slots"), *of_scope("app")]:
            if action.id != "app.palette" and action.method not in MOVES:
                refused = app.refusal(action.id, below)
                assert (action.description in offered) == (not refused)
                assert refused or offered[action.description].key == app.keys_of(action.id)
        assert app.refusal("slots.retry", below)  # the run is still running
        assert offered["Stop the run (asks)"].help == "autoloop-tui stop run00002"
        assert not {"Next proposal", "Next slot"} & set(offered)
        await pilot.press(*"show the charts")
        await until(pilot, lambda: "Show the charts" in text(app), "the search finds it")
        await pilot.press("enter")
        await until(pilot, lambda: on_top(app, SlotsScreen).part == "charts", "the action has run")
        assert isinstance(app.screen, SlotsScreen)


async def test_the_palette_finds_runs_metrics_and_loops_by_name_in_groups(project: RecordedProject) -> None:
    async with drive(project.app(), (120, 40)) as pilot:
        app = pilot.app
        run = app.feed.view.snapshot.runs[0]
        await pilot.press("colon")
        await settle(pilot)
        groups = [entry.title.partition(" ")[0] for entry in on_top(app, Palette).entries]
        assert groups.index("Run") < groups.index("Metric") < groups.index("Theme") < len(groups) - 1
        await pilot.press(*f"run {run.name}")
        await until(pilot, lambda: f"Run {run.name}" in text(app), "the search finds it")
        await pilot.press("enter")
        await until(pilot, lambda: getattr(app.screen, "run_id", "") == run.id, "the run is shown")


async def test_read_only_sends_nothing_says_so_and_leaves_the_keys_out_of_the_hints(project: RecordedProject) -> None:
    async with drive(project.app(readonly=True), (120, 40), engine=project) as pilot:
        app = pilot.app
        assert "read-only" in top(app)
        assert " x stop" not in hints(app)
        for keys in ("P", "Q", "x", "pS", "pA", "pX", "pa"):
            await pilot.press("s", *keys)
            await settle(pilot)
            assert "read-only: no commands are sent" in hints(app)
        app.ask(Stop())
        assert "read-only: stop was not sent" in hints(app)
        assert project.commands() == []


async def test_a_hint_is_clicked_and_y_copies_the_command_that_is_shown(project: RecordedProject) -> None:
    async with drive(project.app(), (120, 40), engine=project) as pilot:
        app = pilot.app
        bar = app.screen.query_one(HintBar)
        shown = painted(bar)[0]
        await pilot.click(HintBar, offset=(shown.index("log"), 0))
        await settle(pilot)
        assert bar.command.startswith("autoloop-tui logs -f ")
        await pilot.press("y")
        await settle(pilot)
        assert app.clipboard == bar.command
        assert f"copied: {bar.command}" in hints(app)


async def test_the_key_that_restarts_the_engine_is_hinted_only_where_none_is(project: RecordedProject) -> None:
    async with drive(project.app(), (120, 40)) as pilot:
        assert "R restart" in hints(pilot.app)
    async with drive(project.app(), (120, 40), engine=project) as pilot:
        assert "R restart" not in hints(pilot.app)
        await pilot.press("R")
        assert "the engine is running" in hints(pilot.app)


async def test_i_tells_what_the_thing_under_the_cursor_waits_for(project: RecordedProject) -> None:
    async with drive(project.app(), (120, 40)) as pilot:
        app = pilot.app
        await pilot.press("i")
        await settle(pilot)
        assert "cpu 0 runs some: running" in text(app)
        assert "engine: the engine has stopped" in text(app)
        await pilot.press("enter")
        await settle(pilot)
        assert "$ autoloop-tui explain slot 0" in hints(app)
