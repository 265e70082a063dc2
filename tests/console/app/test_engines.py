"""The console with no engine, one that cannot start, one that is killed, and two consoles on one engine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import autoloop
import msgspec
import pytest
from autoloop.engine import holder
from autoloop.model import (
    LoopEnd,
    LoopEndKind,
    LoopState,
    ProposalStatus,
    RunState,
)
from autoloop.store import Store
from textual.app import App

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.widgets.bars import TopBar
from tests.console.app.driving import SIZES, drive, hints, top
from tests.console.pictures import text
from tests.console.projects import RecordedProject
from tests.console.running import Size
from tests.console.waiting import until
from tests.engine.project import EngineProject
from tests.support.waiting import PATIENCE

ALL_DONE = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all 3 rounds done")


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A project with real engines and a trainer that takes almost no time."""
    core = Path(autoloop.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(core), str(core.parent)]))
    made = EngineProject(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("size", SIZES)
async def test_a_loop_without_an_engine_says_so_and_names_the_key(project: RecordedProject, size: Size) -> None:
    async with drive(project.app(), size) as pilot:
        assert "the engine has stopped: R continues it" in top(pilot.app)
        await pilot.press("P")
        assert "press R" in hints(pilot.app)
        assert project.commands() == []


async def test_a_dead_engine_that_was_not_seen_to_die_has_the_age_of_its_last_sign(project: RecordedProject) -> None:
    log = project.store.places.engine_log(project.loop.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    os.utime(log, (time.time() - 7300,) * 2)

    async with drive(project.app(), (120, 40)) as pilot:
        assert "✗ the engine has stopped (last sign 2h01m ago): R continues it" in top(pilot.app)
        bar = pilot.app.screen.query_one(TopBar)
        (told,) = [each for each in bar.render_line(0) if "last sign" in each.text]
        assert told.style is not None
        assert told.style.color == bar.look("slot-failed").color


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": LoopState.FINISHED, "end": ALL_DONE}, "the loop has finished: all 3 rounds done"),
        ({}, "the engine is running"),
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
        await until(pilot, lambda: re.search(r"✗ the engine stopped \w+ ago: R continues", top(app)), "the dead engine")
        await pilot.press("R")
        # The notice about it may be replaced at once by the answer to the command sent with it.
        await until(pilot, lambda: (new := holder(lock)) is not None and new.pid not in (0, pid), "the new engine")
        real.spawned.append(holder(lock).pid)
        await until(pilot, lambda: "no engine" not in top(app), "it is driven")
        os.kill(trainer, 0)  # the run never stopped
        gate.touch()
        await until(pilot, lambda: "finished: its round has finished" in top(app), "its end")
        assert [run.state for run in real.runs(loop)] == [RunState.FINISHED] * 2
        assert [run.attempts for run in real.runs(loop)] == [1, 1]


def _trainer(folder: Path, run: str) -> int:
    """Wait for a run's trainer and return its pid; uses a store opened in this thread."""
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
    return "waiting for your decisions" in top(app)


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
