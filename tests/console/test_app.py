from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import autoloop
import msgspec
import pytest
from autoloop.engine import holder
from autoloop.model import (
    ApprovalMode,
    ApprovalPolicy,
    LoopEnd,
    LoopEndKind,
    LoopState,
    ProposalStatus,
    RoundState,
    Run,
    RunState,
)
from autoloop.protocol import Pause, Resume, Stop
from autoloop.store import Store
from textual.app import App
from textual.command import CommandPalette

from autoloop_tui.console.actions import of_scope
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.notifications import news, osc9, waits
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.compare.screen import CompareScreen
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.help import HelpScreen
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.theming import theme_watch
from tests.console.pictures import rows, text
from tests.console.projects import RecordedProject, painted
from tests.console.running import ConsolePilot, Size, on_top, run_app, view_of
from tests.console.waiting import has_quit, listen_to_terminal, notices, settle, until
from tests.engine.project import EngineProject
from tests.support.waiting import PATIENCE

ALL_DONE = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all 3 rounds done")
SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The folder of a person's own settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TMUX", raising=False)
    folder = tmp_path / "config" / "autoloop"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    made = RecordedProject(tmp_path)
    base = made.run("base")
    made.run("some", RunState.RUNNING, base=base, log="x\n")
    return made


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A project with a trainer that takes no time, and real engines."""
    core = Path(autoloop.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(core), str(core.parent)]))
    made = EngineProject(tmp_path)
    yield made
    made.close()


@asynccontextmanager
async def drive(
    app: ConsoleApp, size: Size = (80, 24), engine: RecordedProject | None = None
) -> AsyncIterator[ConsolePilot]:
    """`run_app` at this module's usual size."""
    async with run_app(app, size, engine=engine) as pilot:
        yield pilot


def top(app: App[Any]) -> str:
    return painted(app.screen.query_one("#top"))[0]


def hints(app: App[Any]) -> str:
    return "\n".join(painted(app.screen.query_one("#hints")))


# -------------------------------------------------------------------------------------------------------------- every key


def test_every_key_of_the_scope_has_its_action() -> None:
    assert [action.id for action in of_scope("app") if not hasattr(ConsoleApp, f"action_{action.method}")] == []


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
        assert [type(screen) for screen in app.screen_stack[1:]] == [SlotsScreen, CompareScreen]
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
        assert "paused: P resumes" in top(pilot.app)
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
        assert isinstance(app.screen, CommandPalette)
        offered = {each.title: each.help for each in app.get_system_commands(app.screen_stack[-2])}
        for scope in ("app", "slots"):
            for action in of_scope(scope):
                if action.id != "app.palette":
                    assert offered[action.description] == f"{app.keys_of(action.id)}   {action.command}"
        assert "Next proposal" not in offered
        await pilot.press(*"show the charts")
        await until(pilot, lambda: "Show the charts" in text(app), "the search finds it")
        await pilot.press("enter")
        await until(pilot, lambda: on_top(app, SlotsScreen).part == "charts", "the action has run")
        assert isinstance(app.screen, SlotsScreen)


# --------------------------------------------------------------------------------------------------------------- settings


async def test_remapped_keys_work_and_are_what_is_shown(project: RecordedProject, settings: Any, tmp_path: Path) -> None:
    (settings / "console.toml").write_text('[keys]\n"app.rounds" = "Z, f5"\n"slots.stop" = "ctrl+x"\n"app.pause" = "W"\n')
    chosen = Preferences.load(os.environ)
    assert chosen.problems == []
    project.change_loop(paused=True)

    async with drive(ConsoleApp(project.folder, preferences=chosen), (200, 50), engine=project) as pilot:
        app = pilot.app
        assert " Z rounds" in hints(app)
        assert "^x stop" in hints(app)
        assert "paused: W resumes" in top(app)
        await pilot.press("r")
        await settle(pilot)
        assert isinstance(app.screen, SlotsScreen)
        for key in ("Z", "f5"):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, RoundsScreen)
            await pilot.press("q")
            await settle(pilot)
        await pilot.press("x")
        await settle(pilot)
        assert isinstance(app.screen, SlotsScreen)
        await pilot.press("ctrl+x")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)


async def test_what_cannot_be_used_of_the_settings_is_said_and_costs_only_itself(
    project: RecordedProject, settings: Any, tmp_path: Path
) -> None:
    (settings / "console.toml").write_text(
        'theme = "no-such"\nnotify = "loud"\nmouze = false\nascii = true\nproblems = ["x"]\n'
        '[keys]\n"slots.stpo" = "Z"\n"slots.open" = "j"\n"slots.log" = 3\n"app.help" = "f2"\n'
    )
    chosen = Preferences.load(os.environ)
    assert chosen.ascii
    assert chosen.notify == "off"
    assert chosen.keys == {"slots.open": "j", "app.help": "f2"}
    told = "\n".join(chosen.problems)
    assert 'no action "slots.stpo"; did you mean "slots.stop"?' in told
    assert 'notify = "loud" is left out' in told
    assert 'no setting "mouze"; did you mean "mouse"?' in told
    assert 'no setting "problems"' in told
    assert 'the keys of "slots.log" must be text' in told
    assert '"slots.open" and "slots.down" are both on the key j' in told

    async with drive(ConsoleApp(project.folder, preferences=chosen), (120, 40)) as pilot:
        assert notices(pilot.app) == ['there is no theme "no-such"; `autoloop-tui themes` lists them', *chosen.problems]
        assert pilot.app.theme in pilot.app.themes


@pytest.mark.parametrize("content", ["theme = ", "keys = 3", "\ufeff[", 'theme = 3\nmouse = "yes"'])
def test_a_broken_settings_file_leaves_the_defaults(settings: Any, tmp_path: Path, content: str) -> None:
    (settings / "console.toml").write_text(content)
    chosen = Preferences.load(os.environ)
    assert chosen.problems
    assert (chosen.theme, chosen.mouse, chosen.keys) == ("dark", True, {})


async def test_the_next_theme_is_remembered_and_the_settings_file_overrules_it(
    project: RecordedProject, settings: Any, tmp_path: Path
) -> None:
    async with drive(ConsoleApp(project.folder)) as pilot:
        names = list(pilot.app.themes)
        seen = [pilot.app.theme]
        for _ in names:
            await pilot.press("T")
            seen.append(pilot.app.theme)
        assert sorted(seen[:-1]) == sorted(names)
        assert seen[-1] == seen[0]
        await pilot.press("T")
        assert f"theme {pilot.app.theme}" in hints(pilot.app)
        assert Preferences.load(os.environ).theme == pilot.app.theme == seen[1]
    (settings / "console.toml").write_text('theme = "light"\n')
    assert Preferences.load(os.environ).theme == "light"


@pytest.mark.parametrize("no_color", [False, True])
async def test_no_color_paints_in_grey(project: RecordedProject, monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    async with drive(project.app(), engine=project) as pilot:
        colours = {
            colour.triplet
            for row in rows(pilot.app)
            for segment in row
            if segment.style
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour and colour.triplet
        }
        assert any(len({*triplet}) > 1 for triplet in colours) is not no_color
        assert "running" in text(pilot.app)


@pytest.mark.parametrize("ascii_only", [True, None])
async def test_ascii_may_be_asked_for_by_flag_or_in_the_settings(project: RecordedProject, ascii_only: bool | None) -> None:
    async with drive(
        ConsoleApp(project.folder, preferences=Preferences(ascii=not ascii_only), ascii_only=ascii_only)
    ) as pilot:
        assert text(pilot.app).isascii()


# ---------------------------------------------------------------------------------------------------- themes while it runs

MINE = 'name = "mine"\nprimary = "#ffffff"\nforeground = "#{0}"\nbackground = "#000000"\n'


@pytest.mark.parametrize("whose", ["user", "project"])
async def test_theme_files_are_taken_up_while_it_runs(
    project: RecordedProject, settings: Any, monkeypatch: pytest.MonkeyPatch, whose: Any
) -> None:
    monkeypatch.setattr(theme_watch, "EVERY", 0.0)
    folder = settings / "themes" if whose == "user" else project.folder / "themes"
    folder.mkdir()

    def colour(app: App[Any]) -> Any:
        return app.screen.query_one("#top").rich_style.color.name

    async with drive(project.app()) as pilot:
        app = pilot.app
        first = app.theme
        (folder / "mine.toml").write_text(MINE.format("123456"))
        app.tick()
        assert "mine" in app.available_themes
        assert app.theme == first
        app.use_theme("mine")
        await settle(pilot)
        assert colour(app) == "#123456"
        (folder / "mine.toml").write_text(MINE.format("abcdef"))
        os.utime(folder / "mine.toml", ns=(1, 1))
        app.tick()
        await settle(pilot)
        assert colour(app) == "#abcdef"
        (folder / "mine.toml").write_text("name = ")
        for _ in range(3):
            app.tick()
        await settle(pilot)
        (said,) = notices(app)
        assert "mine.toml: it is not valid TOML" in said
        assert app.theme != "mine"
        (folder / "mine.toml").write_text(MINE.format("123456"))
        app.tick()
        await settle(pilot)
        assert (app.theme, colour(app)) == ("mine", "#123456")  # still what the person chose
        (folder / "mine.toml").unlink()
        app.tick()
        await settle(pilot)
        assert "mine" not in app.available_themes
        assert app.theme in app.themes
        assert len(notices(app)) == 1


async def test_theme_files_that_did_not_change_are_not_read_again(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(theme_watch, "EVERY", 0.0)

    async with drive(project.app()) as pilot:
        monkeypatch.setattr("autoloop_tui.console.app.load_themes", lambda *_: pytest.fail("read again"))
        for _ in range(3):
            pilot.app.tick()


# ---------------------------------------------------------------------------------------------------------- notifications


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What reaches the terminal: bells and what is written."""
    heard = []
    monkeypatch.setattr(ConsoleApp, "bell", lambda app: heard.append("bell"))
    return heard


def end(project: RecordedProject, run: Run, state: Any, **more: Any) -> None:
    project.store.put_run(msgspec.structs.replace(project.store.run(run.id), state=state, ended_at=time.time(), **more))


@pytest.mark.parametrize("notify", ["off", "bell", "osc9"])
async def test_a_person_is_called_once_for_what_happens_and_not_for_what_was_there(
    project: RecordedProject, called: Any, notify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run("old", RunState.FAILED)
    one = project.run("one\x1b[31m", RunState.RUNNING)
    two = project.run("two", RunState.RUNNING)
    expected = []

    def happens(*words: Any) -> None:
        if notify == "bell":
            expected.append("bell")
        elif notify == "osc9":
            expected.append("\x1b]9;Auto Loop: " + "; ".join(words) + "\x07")

    app = ConsoleApp(project.folder, preferences=Preferences(notify=notify))

    async with drive(app, engine=project):
        listen_to_terminal(app, monkeypatch, called.append)

        def look() -> None:
            app.tick()
            app.tick()
            assert called == expected

        look()
        end(project, one, RunState.FAILED, reason="it fell\x07 over")
        happens("one[31m failed: it fell over")
        look()
        end(project, two, RunState.LOST)
        happens("two lost")
        look()
        project.store.put_run(msgspec.structs.replace(project.store.run(one.id), state=RunState.QUEUED, ended_at=None))
        look()
        end(project, one, RunState.FAILED, attempts=2)
        happens("one[31m failed: it fell over")
        look()
        project.run("fine", RunState.FINISHED)
        project.run("stopped by hand", RunState.STOPPED)
        look()
        project.proposal(project.store.run("run00001"))
        project.proposal(project.store.run("run00001"))
        look()
        project.round(1, RoundState.DECIDING)
        happens("round 2 waits: 2 proposals to decide")
        look()
        project.proposal(project.store.run("run00001"))
        look()


async def test_a_retry_that_fails_between_two_looks_is_news(project: RecordedProject) -> None:
    run = project.run("one", RunState.FAILED)

    async with drive(project.app()) as pilot:
        app = pilot.app
        before = view_of(app)
        end(project, run, RunState.FAILED, attempts=2)
        app.tick()
        assert news(before, view_of(app)) == ["one failed"]
        assert news(view_of(app), view_of(app)) == []


@pytest.mark.parametrize(
    ("approve", "held", "status", "expected"),
    [
        (ApprovalPolicy(mode=ApprovalMode.MANUAL), False, ProposalStatus.PENDING, True),
        (ApprovalPolicy(mode=ApprovalMode.MANUAL), False, ProposalStatus.BLOCKED, True),
        (ApprovalPolicy(mode=ApprovalMode.AFTER, after=60), False, ProposalStatus.PENDING, True),
        (ApprovalPolicy(mode=ApprovalMode.AUTO), False, ProposalStatus.APPROVED, False),
        (ApprovalPolicy(mode=ApprovalMode.AUTO), True, ProposalStatus.APPROVED, True),
    ],
)
async def test_a_round_waits_for_a_person_only_where_it_does_not_go_on_by_itself(
    project: RecordedProject, approve: Any, held: Any, status: Any, expected: Any
) -> None:
    project.round(1, RoundState.DECIDING)
    project.proposal(project.store.run("run00001"), status=status)
    project.change_loop(held=held, spec=msgspec.structs.replace(project.spec, approve=approve))

    async with drive(project.app()) as pilot:
        assert waits(view_of(pilot.app)) == expected


def test_a_notification_passes_through_tmux_and_carries_nothing_of_its_own() -> None:
    assert osc9("a\x1b]52;c;x\x07b", tmux=False) == "\x1b]9;Auto Loop: a]52;c;xb\x07"
    assert osc9("a", tmux=True) == "\x1bPtmux;\x1b\x1b]9;Auto Loop: a\x07\x1b\\"
    assert len(osc9("x" * 5000, tmux=False)) < 220


# -------------------------------------------------------------------------------------------------------------- the engine


@pytest.mark.parametrize("size", SIZES)
async def test_a_loop_without_an_engine_says_so_and_names_the_key(project: RecordedProject, size: Size) -> None:
    async with drive(project.app(), size) as pilot:
        assert "the engine has stopped: R resumes the loop" in top(pilot.app)
        await pilot.press("P")
        assert "press R" in hints(pilot.app)
        assert project.commands() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": LoopState.FINISHED, "end": ALL_DONE}, "the loop has finished: all 3 rounds done"),
        ({}, "the engine is alive"),
    ],
)
async def test_an_engine_that_is_not_needed_is_not_started(project: RecordedProject, changes: Any, told: Any) -> None:
    project.change_loop(**changes)

    async with drive(project.app(), engine=None if changes else project) as pilot:
        await pilot.press("R")
        assert told in hints(pilot.app)
        assert project.commands() == []


async def test_an_engine_that_cannot_start_is_told_in_words(project: RecordedProject) -> None:
    project.change_loop(spec=msgspec.structs.replace(project.spec, cwd=str(project.folder / "gone")))

    async with drive(project.app(), (200, 50)) as pilot:
        await pilot.press("R")
        await until(pilot, lambda: "gone" in hints(pilot.app), "why it did not start")


async def test_a_killed_engine_is_told_and_R_restarts_it_and_its_runs_go_on(real: EngineProject) -> None:
    gate = real.gate("go")
    loop = real.loop([real.config("one", gate=str(gate)), real.config("two")])
    pid = real.spawn(loop)
    lock = real.store.places.lock(loop.name)

    async with drive(ConsoleApp(real.folder, preferences=Preferences()), (120, 40)) as pilot:
        app = pilot.app
        await until(pilot, lambda: "running" in top(app), "it runs")
        trainer = await asyncio.to_thread(_trainer, real.folder, real.named(loop, "one").id)
        real.kill_engine(pid, signal.SIGKILL)
        await until(pilot, lambda: "the engine has stopped" in top(app), "the dead engine")
        await pilot.press("R")
        # What is said of it may be replaced at once by the answer to the command that came with it.
        await until(pilot, lambda: (new := holder(lock)) is not None and new.pid not in (0, pid), "the new engine")
        real.spawned.append(holder(lock).pid)
        await until(pilot, lambda: "no engine" not in top(app), "it is driven")
        os.kill(trainer, 0)  # the run never stopped
        gate.touch()
        await until(pilot, lambda: "finished: its round is done" in top(app), "its end")
        assert [run.state for run in real.runs(loop)] == [RunState.FINISHED] * 2
        assert [run.attempts for run in real.runs(loop)] == [1, 1]


def _trainer(folder: Path, run: str) -> int:
    """The pid of a run's trainer, once it is up; with a store of this thread's own."""
    import json

    deadline = time.monotonic() + PATIENCE
    with Store.open(folder) as store:
        while time.monotonic() < deadline:
            for attempt in store.attempts(run):
                try:
                    return int(json.loads((Path(attempt.output_dir) / "seen.json").read_text())["pid"])
                except (OSError, ValueError):
                    time.sleep(0.02)
    raise AssertionError("the trainer did not start")


def waiting(app: App[Any]) -> bool:
    return "waits for your decisions" in top(app)


async def test_two_consoles_on_one_loop_both_see_a_decision(real: EngineProject) -> None:
    loop = real.loop([real.config("one")], rounds=2, decide=True, approve="manual")
    real.spawn(loop)

    first, second = (ConsoleApp(real.folder, preferences=Preferences()) for _ in range(2))
    async with first.run_test(size=(120, 40)) as one, second.run_test(size=(80, 24)) as two:
        for pilot in (one, two):
            await until(pilot, partial(waiting, pilot.app), "the round waits")
            await pilot.press("p")
        await until(one, lambda: isinstance(first.screen, ProposalsScreen), "the proposals")
        await one.press("x")
        await until(one, lambda: not isinstance(first.screen, ProposalsScreen), "the question")
        await one.press("enter")
        await until(one, lambda: "1 rejected" in text(first), "the decision here")
        await until(two, lambda: "1 rejected" in text(second), "the decision there")
        await two.press("u")
        await until(two, lambda: "1 pending" in text(second), "taken back there")
        await until(one, lambda: "1 pending" in text(first), "taken back here")
        await one.press("q")
        await two.press("q")
    assert real.proposals(loop)[0].status is ProposalStatus.PENDING


# ------------------------------------------------------------------------------------------------------------------ memory


async def test_what_the_console_keeps_from_collection_is_given_back_when_it_ends(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = []

    def at_once(self: Any, delay: Any, call: Any, **_: Any) -> Any:
        return call() if call.__name__ == "_collect_from_now_on" else None

    monkeypatch.setattr(ConsoleApp, "set_timer", at_once)

    async with drive(project.app()):
        frozen.append(gc.get_freeze_count())
    assert frozen[0] > 1000
    assert gc.get_freeze_count() == 0


async def test_views_are_freed_without_a_collection(project: RecordedProject) -> None:
    async with drive(project.app()) as pilot:
        gc.collect()  # what other consoles of this process left behind
        gc.disable()
        try:
            for n in range(20):
                project.change_loop(end=LoopEnd(kind=LoopEndKind.WINNER, text=str(n)))
                pilot.app.tick()
            await settle(pilot)
            assert sum(isinstance(each, View) for each in gc.get_objects()) <= 2
        finally:
            gc.enable()
