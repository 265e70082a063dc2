"""Moving between screens and typing as fast as a user on a slow link: no key is lost, misplaced or fatal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import LoopEnd, LoopEndKind
from autoloop.protocol import Edit, Pause, Reject, Stop
from textual import events
from textual.app import App
from textual.css.query import NoMatches
from textual.widgets import Input

import autoloop_tui.console.app
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.compare.screen import CompareScreen
from autoloop_tui.console.screens.dialogs import Ask, Confirm
from autoloop_tui.console.screens.help import HelpScreen
from autoloop_tui.console.screens.plan import PlanApp
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from tests.console.pictures import text
from tests.console.projects import RecordedProject
from tests.console.running import ConsolePilot, Size, run_app
from tests.console.waiting import has_quit, settle, until
from tests.support.waiting import PATIENCE

START = {
    "slots": [],
    "rounds": ["r"],
    "compare": ["c"],
    "proposals": ["p"],
    "proposal-alone": ["p", "enter"],
    "run-charts": ["enter"],
    "run-log": ["enter", "2"],
    "run-config": ["p", "r", "enter", "3"],
    "help": ["question_mark"],
}
"""By screen: the keys that lead to it from Slots."""

OVER = {
    "nothing": [],
    "run": ["enter"],
    "help": ["question_mark"],
    "confirm": ["Q"],
    "palette": ["ctrl+p"],
    "palette-search": ["ctrl+p", "s", "t"],
    "prompt": ["slash", "a", "b"],
    "queue": ["e"],
    "reason": ["x"],
    "edit": ["e", "1"],
    "new": ["n"],
    "write": ["n", "enter", "a"],
    "duplicate": ["d"],
}
"""What may then be opened above it; if a key has another meaning there, that action happens instead."""

TARGETS = {
    "slots": SlotsScreen,
    "proposals": ProposalsScreen,
    "rounds": RoundsScreen,
    "compare": CompareScreen,
    "help": HelpScreen,
}


@asynccontextmanager
async def drive(
    app: ConsoleApp, size: Size = (120, 40), engine: RecordedProject | None = None
) -> AsyncIterator[ConsolePilot]:
    """`run_app` with this module's default size."""
    async with run_app(app, size, engine=engine) as pilot:
        yield pilot


CHARACTERS = {"ctrl+u": "\x15", "enter": "\r", "tab": "\t", "escape": "\x1b", "backspace": "\x7f", "slash": "/"}


def type_ahead(app: App[Any], *keys: str) -> None:
    """Send all keys at once, as they arrive from a link that was stuck."""
    for key in keys:
        character = CHARACTERS.get(key, key if len(key) == 1 else None)
        name = "full_stop" if key == "." else key
        event = events.Key(name, character)
        event.set_sender(app)
        app.post_message(event)


def typed(app: App[Any]) -> Any:
    return app.screen.query_one(Input).value


# ----------------------------------------------------------------------------------------------------------- the matrix


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.faults)], ids=["in-turn", "every"])
@pytest.mark.parametrize("start", START)
async def test_screens_are_reached_from_each_other_with_anything_open_while_the_clock_ticks(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch, start: Any, every: Any
) -> None:
    """Go from every screen, with every third thing open above it, to another screen; the omitted ones are covered from the
    next screen. With `every`: with anything open, and to every other screen."""
    monkeypatch.setattr(autoloop_tui.console.app, "CLOCK", 0.05)

    async def handled(app: Any) -> None:
        taken = asyncio.Event()
        app.call_later(taken.set)
        await asyncio.wait_for(taken.wait(), PATIENCE)  # an app that has crashed handles no calls
        while app.keys_under_way:
            await asyncio.sleep(0.001)

    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        place = list(START).index(start)
        for number, over in list(enumerate(OVER.values()))[slice(None) if every else slice(place % 3, None, 3)]:
            turn = (number + place) % len(TARGETS)
            for name, kind in list(TARGETS.items())[slice(None) if every else slice(turn, turn + 1)]:
                project.change_loop(
                    end=LoopEnd(kind=LoopEndKind.USER, text=f"{number} {name}")
                )  # a new view for the next tick
                type_ahead(app, *START[start], *over)
                await handled(app)
                await app.run_action(f"app.{name}")  # as the palette does, whatever is open
                assert isinstance(app.screen, kind)
                type_ahead(app, "j")
                await handled(app)
                app.action_slots()
                type_ahead(app, "L")
                await handled(app)
                assert type(app.screen) is SlotsScreen


@pytest.mark.parametrize("opened", ["enter", "question_mark"])
@pytest.mark.parametrize("key", ["p", "c", "s"])
async def test_a_screen_that_is_uncovered_for_an_instant_does_nothing_more(
    project: RecordedProject, opened: Any, key: str
) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        await pilot.press("r")
        await settle(pilot)
        await pilot.press(opened)
        await settle(pilot)
        assert isinstance(app.screen, RunScreen | HelpScreen)
        await pilot.press(key)
        await settle(pilot)
        assert type(app.screen) is {"p": ProposalsScreen, "c": CompareScreen, "s": SlotsScreen}[key]


async def test_what_a_screen_put_off_is_dropped_with_it(project: RecordedProject) -> None:
    called = []

    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        app.action_finish()
        await settle(pilot)
        finish = app.screen
        finish.set_timer(0.01, lambda: called.append(finish.query_one("#page")))
        finish.set_interval(0.01, lambda: called.append(finish.query_one("#page")))
        finish.call_after_refresh(lambda: called.append(finish.query_one("#page")))
        app.action_slots()
        await settle(pilot)
        with pytest.raises(NoMatches):
            finish.query_one("#page")
        del called[:]
        await pilot.pause(0.1)
        assert called == []


# --------------------------------------------------------------------------------------------------------- keys in order


async def test_characters_do_not_overtake_a_key_that_is_bound_to_an_action(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        await pilot.press("p")
        await settle(pilot)
        await pilot.press("e")
        await settle(pilot)
        assert typed(app) == "0.16"
        type_ahead(app, "ctrl+u", *"0.77")
        await settle(pilot)
        assert typed(app) == "0.77"
        type_ahead(app, "1", "backspace", "3", "backspace", "home", "1", "end", "5")
        await settle(pilot)
        assert typed(app) == "10.775"


async def test_a_whole_edit_may_be_typed_before_the_dialog_is_there(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        type_ahead(app, "p", "e", "ctrl+u", *"0.77", "enter", "j", "e", "ctrl+u", *"0.5", "enter", "r")
        await settle(pilot)
        assert isinstance(app.screen, RoundsScreen)
        first, second = project.commands()
        assert first == Edit(proposal=1, edits=["ot.loss_config.reg@set=0.77"])
        assert second == Edit(proposal=2, edits=["ot.loss_config.reg@set=0.5"])


async def test_a_reason_may_be_typed_before_the_question_is_there(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        type_ahead(app, "p", "x", *"tried", "space", *"before", "enter")
        await settle(pilot)
        assert not isinstance(app.screen, Ask)
        (command,) = project.commands()
        assert command == Reject(proposals=[1], note="triedbefore")  # the key for space adds no character here


async def test_a_paste_keeps_its_place_among_the_keys(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        type_ahead(app, "p", "e", "ctrl+u")
        paste = events.Paste("0.6")
        paste.set_sender(app)
        app.post_message(paste)
        type_ahead(app, "7")
        await settle(pilot)
        assert typed(app) == "0.67"


@pytest.mark.parametrize(
    ("keys", "pane"), [(["r", "slash", *"base"], "#filter Input"), (["enter", "2", "slash", *"step"], "#part-log Input")]
)
async def test_a_filter_and_a_search_may_be_typed_before_the_prompt_is_there(
    project: RecordedProject, keys: Sequence[str], pane: str
) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        type_ahead(app, *keys)
        await settle(pilot)
        assert app.screen.query_one(pane, Input).value == "".join(keys[-4:])


async def test_questions_are_answered_before_they_are_there(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        type_ahead(app, "Q", "y", "P", "Q", "n", "r")
        await settle(pilot)
        assert isinstance(app.screen, RoundsScreen)
        assert project.commands() == [Stop(), Pause()]


async def test_a_plan_is_started_by_keys_typed_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = PlanApp("a plan", "line\n")

    async with app.run_test() as pilot:
        await settle(pilot)
        type_ahead(app, "S", "q", "S", "y")
        await until(pilot, lambda: app.return_value is True, "the yes")


async def test_a_key_whose_handling_does_not_end_holds_up_the_others_only_for_a_while(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoloop_tui.console.full_screen.PATIENCE", 0.1)
    gate = asyncio.Event()

    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        monkeypatch.setattr(SlotsScreen, "action_right", lambda self: gate.wait())
        type_ahead(app, "l", "r", "p")
        await until(pilot, lambda: not app.keys_under_way, "the keys are handed on")
        gate.set()
        await until(pilot, lambda: isinstance(app.screen, ProposalsScreen | RoundsScreen), "they act")


# ------------------------------------------------------------------------------------------------------------------- Esc


async def test_esc_leads_back_and_never_out(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        type_ahead(app, "L", "slash", "escape", "escape", "r", "enter", "escape", "escape", "escape")
        await settle(pilot)
        assert isinstance(app.screen, SlotsScreen)
        assert app.is_running
        assert not has_quit(app)
        assert "q quits the console; the loop continues" in text(app)
        await pilot.press("q")
        await until(pilot, lambda: has_quit(app), "q")


async def test_preferences_may_bind_esc_to_something_else(project: RecordedProject) -> None:
    app = project.app()
    app.preferences = Preferences(keys={"app.escape": "f9"})

    async with drive(app, engine=project) as pilot:
        type_ahead(pilot.app, "r")
        await settle(pilot)
        type_ahead(pilot.app, "f9")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SlotsScreen)
        assert not isinstance(pilot.app.screen, Confirm)


def test_no_screen_of_ours_calls_what_it_put_off_once_it_has_gone() -> None:
    """Every screen class must drop its delayed calls; a new one that does not would crash sooner or later."""
    from textual.screen import Screen

    from autoloop_tui.console.standing import StackedScreen

    def below(kind: Any) -> Any:
        return {kind, *(found for each in kind.__subclasses__() for found in below(each))}

    folder = Path(autoloop_tui.console.app.__file__).parent
    for path in (folder / "screens").glob("*.py"):
        __import__(f"autoloop_tui.console.screens.{path.stem}")
    ours = {kind for kind in below(Screen) if kind.__module__.startswith("autoloop_tui")}
    assert len(ours) > 10
    assert [kind.__name__ for kind in ours if not issubclass(kind, StackedScreen)] == []


async def test_a_terminal_of_any_size_ends_nothing_while_the_palette_is_open(project: RecordedProject) -> None:
    async with run_app(project.app()) as pilot:
        await pilot.press("ctrl+p", "s")
        for width in (*range(1, 12), 80):
            await pilot.resize_terminal(width, 1 + width % 5)
            await settle(pilot)
        assert pilot.app.crashed is None
        assert pilot.app.is_running


async def test_what_a_screen_has_put_off_is_dropped_when_the_app_is_told_to_end(project: RecordedProject) -> None:
    called: list[str] = []
    async with run_app(project.app()) as pilot:
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, SlotsScreen)
        screen.call_after_refresh(called.append, "before")
        await until(pilot, lambda: called, "the call")
        screen.call_after_refresh(called.append, "after")
        pilot.app.exit()
    assert called == ["before"]
