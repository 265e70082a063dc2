"""A store that is locked, fails or has no space: the console keeps running and reports what was not sent."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop.protocol import Approve, Pause, Resume
from autoloop.store import StoreUnavailableError

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from tests.console.pictures import text
from tests.console.projects import RecordedProject
from tests.console.test_moving import drive, type_ahead
from tests.console.waiting import settle, until
from tests.support.waiting import PATIENCE


@contextlib.contextmanager
def locked(project: RecordedProject, how: str = "IMMEDIATE") -> Iterator[Any]:
    db = sqlite3.connect(project.store.places.database, isolation_level=None, timeout=PATIENCE)
    try:
        db.execute(f"BEGIN {how}")
        yield
        db.execute("ROLLBACK")
    finally:
        db.close()


async def test_a_command_to_a_locked_store_waits_and_the_console_goes_on(project: RecordedProject) -> None:
    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        with locked(project):
            type_ahead(app, "P", "p", "a")
            await until(pilot, lambda: "2 not sent yet: the store is locked" in text(app), "why it waits")
            assert isinstance(app.screen, ProposalsScreen)
            await pilot.press("r")
            await until(pilot, lambda: isinstance(app.screen, RoundsScreen), "it goes on")
            assert project.commands() == []
        await until(pilot, lambda: len(project.commands()) == 2, "they arrive")
        assert project.commands() == [Pause(), Approve(proposals=[1], seen=[""])]
        project.store.answer(1, True, "it is paused")
        await until(pilot, lambda: "it is paused" in text(app), "the answer")


async def test_a_command_that_cannot_be_sent_is_said_and_can_be_given_again(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoloop.store.opening.PATIENCE", 0.2)

    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        await pilot.press("p")
        await settle(pilot)
        with locked(project):
            await pilot.press("a")
            await until(pilot, lambda: "approve was not sent" in text(app), "that it was not sent")
            assert "… sent" not in text(app)
        await pilot.press("k", "a")
        await until(pilot, lambda: project.commands(), "the second try")


async def test_a_decision_that_could_not_be_sent_is_not_shown_as_sent_after_another_screen(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoloop.store.opening.PATIENCE", 0.2)

    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        await pilot.press("p")
        await settle(pilot)
        with locked(project):
            type_ahead(app, "a", "r")
            await until(pilot, lambda: isinstance(app.screen, RoundsScreen), "another screen")
            await until(pilot, lambda: "approve was not sent" in text(app), "that it was not sent")
        await pilot.press("p")
        await settle(pilot)
        assert isinstance(app.screen, ProposalsScreen)
        assert "… sent" not in text(app)
        assert not app.screen.refusal("proposals.approve")


async def test_a_decision_that_the_feed_refuses_leaves_marks_and_proposals_as_they_are(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> bool:
        raise OSError(28, "No space left on device")

    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        await pilot.press("p", "space")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, ProposalsScreen)
        monkeypatch.setattr(app.feed, "send", refuse)
        await pilot.press("A", "y")
        await until(pilot, lambda: "approve was not sent" in text(app), "that it was not sent")
        assert screen.marked == {1}
        assert "… sent" not in text(app)
        monkeypatch.undo()
        await pilot.press("A", "y")
        await until(pilot, lambda: project.commands(), "the second try")
        assert screen.marked == set()


def test_quitting_waits_for_commands_under_way(project: RecordedProject) -> None:
    feed = Feed(project.folder)
    with locked(project):
        assert not feed.send(Pause())
        assert not feed.send(Resume())
    assert feed.close() == []
    assert project.commands() == [Pause(), Resume()]


async def test_what_could_not_be_sent_is_said_after_the_console(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoloop.store.opening.PATIENCE", 0.1)
    app = project.app()
    monkeypatch.setattr(app.feed, "unsent", list)  # it was quit before the next period of the clock

    with locked(project):
        async with drive(app, engine=project) as pilot:
            await pilot.press("P")
    (told,) = app.parting
    assert "pause was not sent" in told


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("the store cannot be used now (database is locked)"),
        sqlite3.OperationalError("disk I/O error"),
        OSError(28, "No space left on device"),
    ],
    ids=["locked", "sqlite", "full"],
)
async def test_a_store_that_fails_at_any_call_is_a_sentence(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    """Every call of the store raises, on every screen and for every key that uses it."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    async with drive(project.app(), engine=project) as pilot:
        app = pilot.app
        store = app.feed.store
        for name in (
            "version",
            "loop",
            "loops",
            "run",
            "runs",
            "rounds",
            "attempts",
            "proposals",
            "send",
            "command",
            "transaction",
            "reading",
            "where_run",
        ):
            monkeypatch.setattr(store, name, fail, raising=False)
        monkeypatch.setattr("autoloop_tui.console.outbox.Store.open", fail)
        keys = "P x escape e escape p a x enter e 1 enter escape n enter escape d escape S y H u r L t n escape enter"
        for key in [*keys.split(), *["4", "3", "2", "x", "escape", "plus", "escape", "s", "space", "c", "d", "s", "T", "R"]]:
            type_ahead(app, key)
            app.tick()
        await settle(pilot)
        await app.workers.wait_for_complete()

        def told() -> bool:
            app.tick()
            shown = " ".join(text(app).split())
            return "cannot be read" in shown or "was not sent" in shown or str(error)[:20] in shown

        await until(pilot, told, "a sentence about the store")


async def test_a_disk_without_space_does_not_end_the_console(tmp_path: Path) -> None:
    """A real file system without space, if one can be created here."""
    where = tmp_path / "full"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", where], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        made = RecordedProject(where)
        base = made.run("base")
        made.proposal(base)
        app = ConsoleApp(where, preferences=Preferences())

        async with drive(app, engine=made) as pilot:
            with contextlib.suppress(OSError), (where / "fill").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 12))
            for key in ("p", "a", "P", "T", "r", "c", "s", "P"):
                await pilot.press(key)
                app.tick()
            await until(pilot, lambda: "was not sent" in text(app), "that it was not sent")
            (where / "fill").unlink()
            await pilot.press("P")
            await until(pilot, lambda: made.commands(), "it goes on with space")
        made.store.close()
    finally:
        subprocess.run(["umount", "-l", where], check=False)
