"""The request that each decision key sends to the engine, and what the screen shows of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from autoloop.engine import spawn
from autoloop.model import (
    Actor,
    ProposalStatus,
    Round,
    RoundState,
    RunState,
)
from autoloop.protocol import Approve, Hold, Reject, Start, Undo

from autoloop_tui.console.screens.dialogs import Ask, Confirm
from autoloop_tui.console.screens.pick_run import PickRun
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from tests.console.projects import NOW, RecordedProject, painted
from tests.console.running import Size, on_top, view_of
from tests.console.screens.proposals.driving import (
    BATCH,
    add,
    base_of,
    console,
    last_line,
    proposals,
    rows,
    see,
)
from tests.console.waiting import settle, until


async def test_approve_asks_the_engine_and_goes_on_to_the_next_pending_one(project: RecordedProject) -> None:
    add(project)
    add(project, status=ProposalStatus.REJECTED)
    add(project, (BATCH,))

    async with console(project) as (pilot, app):
        assert last_line(app) == "$ autoloop-tui approve 1"
        await pilot.press("a")
        assert project.commands() == [Approve(proposals=[1], seen=[""])]
        assert proposals(app).cursor == 3
        assert "… sent" in rows(app, "queue")[1]
        assert last_line(app) == "$ autoloop-tui approve 3"
        await pilot.press("a")  # the first is being sent, so there is no other to go to
        assert proposals(app).cursor == 3
        await pilot.press("k")
        assert last_line(app) == "$ autoloop-tui approve 2"


async def test_reject_asks_for_a_reason_that_may_be_empty(project: RecordedProject) -> None:
    for _ in range(3):
        add(project)

    async with console(project) as (pilot, app):
        await pilot.press("x")
        assert isinstance(app.screen, Ask)
        below = painted(app.screen_stack[-2].query_one("#hints"))[1].strip()
        assert below == "$ autoloop-tui reject 1 --reason '…'"
        await pilot.press("escape")
        assert project.commands() == []
        assert last_line(app) == "$ autoloop-tui approve 1"
        await pilot.press("x", *"too q", "enter", "x", "enter")
        assert project.commands() == [Reject(proposals=[1], note="too q"), Reject(proposals=[2])]
        assert proposals(app).cursor == 3


async def test_undo_asks_for_the_last_decision_wherever_the_cursor_is(project: RecordedProject) -> None:
    add(project, status=ProposalStatus.APPROVED, decided_at=NOW, decided_by=Actor.person("jo"))
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("g", "u", "j", "u")
        assert project.commands() == [Undo()] * 2
        command = project.store.open_commands(1)[0]
        project.store.answer(command.id, True, "proposal 1 is pending again (before: approved by jo)")
        app.tick()
        assert last_line(app) == "proposal 1 is pending again (before: approved by jo)"


async def test_what_has_become_a_run_cannot_be_decided_any_more(project: RecordedProject) -> None:
    add(project, status=ProposalStatus.LAUNCHED, run=base_of(project).id)

    async with console(project) as (pilot, app):
        for key in "axeE":
            await pilot.press(key)
            assert "has become demo_baseline; D creates a copy" in last_line(app)
        assert project.commands() == []


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 20)])
async def test_approving_all_asks_first_and_says_how_many_and_what_it_costs(project: RecordedProject, size: Size) -> None:
    for _ in range(5):
        add(project)
    add(project, status=ProposalStatus.APPROVED)
    add(project, status=ProposalStatus.BLOCKED, blocked="no")
    add(project, status=ProposalStatus.SKIPPED)

    async with console(project, size) as (pilot, app):
        for refusal in ("enter", "n", "escape", "q"):
            await pilot.press("A")
            await settle(pilot)
            assert isinstance(app.screen, Confirm)
            assert app.focused.id == "no"
            assert app.screen.what == "Approve all 5 proposals and start round 2 in 10s?"
            # The only run that has finished took 300 s.
            assert app.screen.why == "6 runs × ~5m00s on 2 slots ≈ 15m00s. 1 blocked left out, e edits."
            await pilot.press(refusal)
            await settle(pilot)
        assert project.commands() == []
        await pilot.press("A", "y")
        assert project.commands() == [Approve(proposals=[1, 2, 3, 4, 5], seen=["", "", "", "", ""])]
        command = project.store.open_commands(1)[0]
        project.store.answer(command.id, True, "proposals 1–5 are approved")
        app.tick()
        assert last_line(app) == "proposals 1–5 are approved; 1 blocked left out, e edits"


@pytest.mark.parametrize(
    ("change", "marked", "what", "why"),
    [
        ({}, (1, 2), "Approve 2 marked proposals?", "on 2 slots ≈ 5m00s. Round 2 waits for 1 more decision."),
        ({"held": True}, (), "Approve all 3 proposals?", "3 runs × ~5m00s on 2 slots ≈ 10m00s. Round 2 is held, so it"),
        ({"paused": True}, (), "Approve all 3 proposals and start round 2 in 10s?", "The queue is paused."),
    ],
)
async def test_the_question_says_what_the_decision_leads_to(
    project: RecordedProject, change: Any, marked: Any, what: Any, why: Any
) -> None:
    for _ in range(3):
        add(project)
    project.change_loop(**change)

    async with console(project) as (pilot, app):
        on_top(app, ProposalsScreen).marked = set(marked)
        await pilot.press("A")
        await settle(pilot)
        assert (on_top(app, Confirm).what, why in on_top(app, Confirm).why) == (what, True), on_top(app, Confirm).why


async def test_what_a_run_takes_is_not_invented_where_none_has_finished(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=1)
    base = project.run("base", RunState.STOPPED)
    project.round(1, RoundState.DECIDING)
    add(project, base=base)

    async with console(project) as (pilot, app):
        await pilot.press("A")
        await settle(pilot)
        said = "1 run on 1 slot; duration unknown: no run of this loop has finished."
        assert on_top(app, Confirm).why == said


async def test_rejecting_all_asks_first_then_for_the_reason(project: RecordedProject) -> None:
    for _ in range(3):
        add(project)

    async with console(project) as (pilot, app):
        await pilot.press("X")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        assert app.focused.id == "no"
        assert app.screen.what == "Reject all 3 proposals?"
        assert app.screen.why == "With nothing approved, round 2 has nothing to run."
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("X", "y", "escape")
        await settle(pilot)
        assert project.commands() == []
        await pilot.press("X", "y")
        await settle(pilot)
        await pilot.press(*"weak", "enter")
        assert project.commands() == [Reject(proposals=[1, 2, 3], note="weak")]


async def test_the_marked_are_approved_or_rejected_together(project: RecordedProject) -> None:
    for _ in range(4):
        add(project)

    async with console(project) as (pilot, app):
        await pilot.press("space", "j", "space")
        assert [row[1] for row in rows(app, "queue")[1:5]] == ["*", " ", "*", " "]
        assert on_top(app, ProposalsScreen).marked == {1, 3}
        assert "2 marked" in rows(app, "head")[0]
        await pilot.press("X", "y", *"weak", "enter")
        await settle(pilot)
        assert project.commands() == [Reject(proposals=[1, 3], note="weak")]
        assert on_top(app, ProposalsScreen).marked == set()
        await pilot.press("g", "j", "space", "A", "y")
        assert project.commands()[1:] == [Approve(proposals=[2], seen=[""])]


async def test_marks_stand_after_a_look_at_another_screen_and_a_decision_on_them_says_how_many(
    project: RecordedProject,
) -> None:
    for _ in range(40):
        add(project)

    async with console(project) as (pilot, app):
        await pilot.press("space", "j", "space", "s", "p", "G")
        await settle(pilot)
        assert not any(row[1] == "*" for row in rows(app, "queue")[1:])  # they are scrolled out of sight
        assert "2 marked" in rows(app, "head")[0]
        await pilot.press("A")
        assert on_top(app, Confirm).what == "Approve 2 marked proposals?"
        await pilot.press("n", "a")
        assert project.commands() == [Approve(proposals=[40], seen=[""])]  # only the one under the cursor
        assert on_top(app, ProposalsScreen).marked == {1, 3}


async def test_start_asks_and_says_what_is_left_behind(project: RecordedProject) -> None:
    add(project, status=ProposalStatus.APPROVED)
    add(project)
    add(project, status=ProposalStatus.BLOCKED, blocked="no")

    async with console(project) as (pilot, app):
        await pilot.press("S")
        assert isinstance(app.screen, Confirm)
        assert app.screen.what == "Start round 2?"
        assert app.screen.why == "1 approved proposal becomes its run. Not run: 1 pending, 1 blocked."
        await pilot.press("enter")
        assert project.commands() == []
        await pilot.press("S", "y")
        assert project.commands() == [Start()]


async def test_start_does_not_ask_while_the_round_is_about_to_start(project: RecordedProject) -> None:
    add(project, status=ProposalStatus.APPROVED)
    project.store.put_round(
        Round(loop=project.loop.id, number=1, state=RoundState.DECIDING, started_at=NOW - 800, start_at=NOW + 3600)
    )

    async with console(project) as (pilot, app):
        await pilot.press("S")
        assert isinstance(app.screen, ProposalsScreen)
        assert project.commands() == [Start()]

        project.change_loop(paused=True)  # then the runs would not start, and that must be said
        await until(pilot, lambda: view_of(app).loop.paused)
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "The queue is paused: they wait" in on_top(app, Confirm).why
        assert project.commands() == [Start()]


@pytest.mark.parametrize(
    ("round_", "status", "said"),
    [
        (RoundState.RUNNING, ProposalStatus.APPROVED, "round 1 is still running"),
        (RoundState.DECIDING, ProposalStatus.PENDING, "nothing is approved yet"),
    ],
)
async def test_start_says_why_nothing_can_be_started(project: RecordedProject, round_: Any, status: Any, said: Any) -> None:
    add(project, status=status)
    project.round(1, round_)

    async with console(project) as (pilot, app):
        await pilot.press("S")
        assert said in last_line(app)
        assert project.commands() == []


async def test_hold_holds_and_releases(project: RecordedProject) -> None:
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("H")
        project.change_loop(held=True)
        await see(pilot, app)
        await pilot.press("H")
        assert project.commands() == [Hold(held=True), Hold(held=False)]


async def test_without_an_engine_nothing_is_sent_and_it_is_said(project: RecordedProject) -> None:
    add(project, status=ProposalStatus.APPROVED)
    add(project)

    async with console(project, engine=False) as (pilot, app):
        assert "The engine has stopped" in rows(app, "head")[1]
        for keys in ("A", "u", "e", "n"):
            await pilot.press("g", *keys)
            if isinstance(app.screen, PickRun):
                await pilot.press("enter")
            if isinstance(app.screen, Confirm):
                await pilot.press("y")
            assert "press R to restart it" in last_line(app)
        await pilot.press("j", "a")
        assert proposals(app).cursor == 2
        assert project.commands() == []


async def test_the_engines_answers_reach_the_screen(project: RecordedProject) -> None:
    """Approve, edit and reject with a real engine; the loop is on hold, so nothing is launched."""
    project.change_loop(held=True)
    for _ in range(3):
        add(project)
    engine = spawn(project.store, project.loop)

    def state(number: int) -> Any:
        return project.store.proposal(number)

    try:
        async with console(project, engine=False) as (pilot, app):
            await pilot.press("a")
            await until(pilot, lambda: "proposal 1 is approved" in last_line(app))
            assert "approved" in rows(app, "queue")[1]
            await pilot.press("x", "n", "o", "enter")
            await until(pilot, lambda: state(2).status is ProposalStatus.REJECTED)
            assert state(2).note == "no"
            await pilot.press("e", *"0.9", "enter")
            await until(pilot, lambda: state(3).revision == 2)
            assert state(3).changes[0].after == 0.9
            await until(pilot, lambda: "is saved" in last_line(app))
            await pilot.press("g", "u")  # the last decision, although the cursor is on the first
            await until(pilot, lambda: "proposal 2 is pending again" in last_line(app))
            assert state(1).status is ProposalStatus.APPROVED
            await pilot.press("u")
            await until(pilot, lambda: "proposal 1 is pending again" in last_line(app))
            await pilot.press("A")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            await pilot.press("y")
            await until(pilot, lambda: "proposals 1–3 are approved" in last_line(app))
            await pilot.press("G", "u")
            await until(pilot, lambda: "proposals 1–3 are pending again" in last_line(app))
    finally:
        os.kill(engine.pid, signal.SIGTERM)
