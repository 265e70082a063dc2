"""The console: when it calls the user, and why."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from autoloop.model import (
    ApprovalMode,
    ApprovalPolicy,
    ProposalStatus,
    RoundState,
    Run,
    RunState,
)

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.notifications import news, osc9, waits
from autoloop_tui.console.preferences import Preferences
from tests.console.app.driving import drive
from tests.console.projects import RecordedProject
from tests.console.running import view_of
from tests.console.waiting import listen_to_terminal


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What reaches the terminal: bells and written text."""
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
