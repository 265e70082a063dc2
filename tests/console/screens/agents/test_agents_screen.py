"""The page of agents, the key that holds them all, and their notes on the screens of what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import Actor, AgentsHeld, Note, NoteTarget, ProposalStatus, RoundState
from autoloop.protocol import Agents, Approve

from autoloop_tui.console.screens.agents.screen import AgentsScreen
from tests.console.pictures import text
from tests.console.projects import NOW, RecordedProject
from tests.console.running import run_app
from tests.console.screens.rounds.driving import metrics
from tests.console.waiting import settle, until
from tests.support.senders import agent


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    made = RecordedProject(tmp_path)
    (tmp_path / "autoloop.toml").write_text('[agents.codex]\nallow = ["approve"]\nruns = 4\n')
    made.round(1, RoundState.DECIDING)
    base = made.run("base", metrics=metrics(0.5))
    codex = Actor.agent("codex")
    made.proposal(base, author=codex, kill_criterion="eval_l1.last > 0.9", reason="steeper", created_at=NOW)
    made.proposal(base, ("ot.lambda_ot@mul=2",), author=codex, status=ProposalStatus.REJECTED, created_at=NOW)
    number = made.store.send(made.loop.id, Approve(proposals=[1]), agent())
    made.store.answer(number, False, "`approve` needs a person at a terminal")
    for place, (target, about, words) in enumerate(
        [
            (NoteTarget.RUN, base.id, "its loss is still falling"),
            (NoteTarget.PROPOSAL, "1", "only if it waits"),
            (NoteTarget.ROUND, "1", "a slow night"),
        ],
        1,
    ):
        note = Note(id=place, loop=made.loop.id, target=target, about=about, text=words, author=codex, at=NOW, command=1)
        made.store.put_note(note)
    yield made
    made.store.close()


async def test_one_key_shows_what_agents_did_and_one_holds_them_all(project: RecordedProject) -> None:
    app = project.app()
    async with run_app(app, (140, 40), engine=project) as pilot:
        await pilot.press("@")
        await settle(pilot)
        assert isinstance(app.screen, AgentsScreen)
        assert app.screen.max_scroll_y == 0  # the page scrolls, the screen does not
        shown = text(app)
        line = next(line for line in shown.splitlines() if "agent:codex" in line)
        assert line.split()[1:] == ["2", "0", "1", "0", "0", "0", "1", *line.split()[8:10], "4", "runs"]
        await pilot.resize_terminal(80, 24)
        words = "agent:codex 2 proposals (1 rejected) · 1 refused · 4 runs left · last seen"
        await until(pilot, lambda: words in " ".join(text(app).split()))
        await pilot.resize_terminal(140, 40)
        await until(pilot, lambda: "codex for ada, approve: refused: `approve` needs a person at a terminal" in text(app))
        assert "agents held" not in shown
        await pilot.press("B")
        await settle(pilot)
        assert project.commands() == [Agents()]
        project.change_loop(agents_held=AgentsHeld(by="ada", at=NOW))
        await until(pilot, lambda: "All agents are held, by ada, since " in text(app))
        for screen in "sprcW":
            await pilot.press(screen)
            await settle(pilot)
            assert "agents held" in text(app).splitlines()[0]
        await pilot.press("B")
        await settle(pilot)
        assert project.commands()[-1] == Agents(held=False)


async def test_notes_and_kill_criteria_stand_where_they_are_looked_at(project: RecordedProject) -> None:
    app = project.app()
    async with run_app(app, (160, 45), engine=project) as pilot:
        await pilot.press("p")
        await settle(pilot)
        shown = " ".join(text(app).split())
        assert "its run is stopped if eval_l1.last > 0.9" in shown
        assert "only if it waits" in shown
        assert "agent:codex, " in shown
        await pilot.press("r")
        await settle(pilot)
        shown = text(app)
        assert "its loss is still falling" in shown
        assert "on round 1" in shown
        await pilot.press("enter")
        await settle(pilot)
        shown = text(app)
        assert "its loss is still falling" in shown
        assert "a slow night" in shown
