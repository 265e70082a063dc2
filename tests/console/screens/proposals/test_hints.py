"""The hints of Proposals offer exactly what can be done with the proposal under the cursor."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from autoloop.model import LapseKind, LoopEnd, LoopEndKind, LoopState, ProposalStatus, RoundState
from textual.app import App

from tests.console.projects import NOW, RecordedProject, painted
from tests.console.screens.proposals.driving import add, base_of, console, last_line, proposals, see

CHANGE = {"approve", "reject", "edit", "start", "variant", "undo", "hold"}


def offered(app: App[Any]) -> set[str]:
    """Return the hints in the bar for actions that change something."""
    return {word for word in painted(app.screen.query_one("#hints"))[0].split() if word in CHANGE}


async def test_each_state_of_a_proposal_has_the_hints_of_what_can_be_done_with_it(project: RecordedProject) -> None:
    project.change_loop(spec=msgspec.structs.replace(project.loop.spec, rounds=4))
    add(project, round=1, status=ProposalStatus.LAUNCHED, run=base_of(project).id)
    lapsed: dict[str, Any] = {"lapsed": LapseKind.ROUND_STARTED, "note": "round 2 started before it was decided"}
    add(project, round=1, status=ProposalStatus.LAPSED, **lapsed)
    add(project, round=1, status=ProposalStatus.REJECTED)
    project.round(2, RoundState.DECIDING)
    for status in (ProposalStatus.PENDING, ProposalStatus.APPROVED, ProposalStatus.REJECTED, ProposalStatus.BLOCKED):
        add(project, round=2, status=status, blocked="It has been run." if status is ProposalStatus.BLOCKED else None)
    always = {"start", "variant", "hold"}  # one is approved, and there is no decision to undo
    expected = {
        4: {"approve", "reject", "edit"},
        5: {"reject", "edit"},
        6: {"approve", "edit"},
        7: {"reject", "edit"},
        1: set(),
        2: set(),
        3: set(),
    }
    says = {
        1: "proposal 1 has become demo_baseline; D creates a copy",
        2: "proposal 2 is lapsed: round 2 started before it was decided; there is nothing to decide",
        3: "proposal 3 is of round 1, and round 2 started without it; D creates a copy",
        5: "proposal 5 is approved already",
        7: "proposal 7 is blocked; edit it first (e): It has been run.",
    }

    async with console(project, (200, 50)) as (pilot, app):
        for number, actions in expected.items():
            assert proposals(app).cursor == number
            assert offered(app) == actions | always, number
            if number in says:
                await pilot.press("a")
                assert last_line(app) == says[number]
            await pilot.press("j")
        assert project.commands() == []


async def test_with_nothing_to_decide_no_decision_is_offered(project: RecordedProject) -> None:
    async with console(project, (200, 50)) as (pilot, app):
        assert offered(app) == {"variant", "hold"}
        await pilot.press("u")
        assert last_line(app) == "no decision to undo"
        project.round(3, RoundState.RUNNING)  # the last round
        await see(pilot, app)
        assert offered(app) == set()
        await pilot.press("H")
        assert last_line(app) == "round 3 is the last one (--rounds 3)"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (LoopState.FINISHED, "the loop has finished: there is nothing to decide"),
        (LoopState.STOPPED, "the loop has stopped; R continues it"),
        (LoopState.ACTIVE, "the engine has stopped: press R to restart it"),
    ],
)
async def test_a_loop_that_nobody_drives_offers_no_decision(project: RecordedProject, state: LoopState, said: str) -> None:
    add(project)
    add(project, status=ProposalStatus.APPROVED)
    if state is not LoopState.ACTIVE:
        project.change_loop(state=state, ended_at=NOW, end=LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="it is over"))

    async with console(project, (200, 50), engine=False) as (pilot, app):
        assert last_line(app) == "$ autoloop-tui proposals"
        for key in "axu":
            assert offered(app) == set()
            await pilot.press(key)
            assert last_line(app) == said
        assert project.commands() == []
