"""The Proposals screen in a test, and proposals to show on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from autoloop.model import (
    Change,
    Evidence,
    Observation,
    Run,
)
from textual.app import App
from textual.pilot import Pilot

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.widgets.proposals.list import ProposalList
from tests.console.projects import RecordedProject, painted
from tests.console.running import Size, on_top
from tests.console.waiting import settle

REG = Change(path="ot.loss_config.reg", before=0.1, after=0.16)
BATCH = Change(path="batch_size", before=16, after=24)
LOW = Evidence(
    rule="ot-mass-low",
    rule_version="1",
    when="l1_loss.last < 1e-3",
    observations=[
        Observation(
            name="l1_loss.last",
            value=2.7e-6,
            op="<",
            threshold=0.25,
            holds=True,
            metric="train/l1_loss",
            first_step=5,
            last_step=300,
            n=60,
            noise=3.1e-7,
        )
    ],
)


def base_of(project: RecordedProject) -> Run:
    """Return the first run of the project, which is the base of its proposals."""
    return project.store.run("run00001")


def proposals(app: App[Any]) -> ProposalList:
    return on_top(app, ProposalsScreen).rows


def add(project: RecordedProject, changes: Any = (REG,), base: Run | None = None, **more: Any) -> Any:
    edits = more.pop("edits", [f"{change.path}@set={json.dumps(change.after)}" for change in changes])
    return project.proposal(base or base_of(project), edits, changes=list(changes), **more)


@asynccontextmanager
async def console(
    project: RecordedProject, size: Size = (80, 24), keys: Sequence[str] = ("p",), engine: bool = True, **options: Any
) -> AsyncIterator[tuple[Pilot[Any], ConsoleApp]]:
    """Run the console and press `keys`."""
    app = project.app(**options)
    with project.engine() if engine else nullcontext():
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await settle(pilot)
            yield pilot, app


async def see(pilot: Pilot[Any], app: ConsoleApp) -> None:
    """Advance the console's clock once, without waiting for it, so that the screen shows the current store."""
    app.feed.poll()
    screen = on_top(app, ProposalsScreen)
    screen.refresh_view()
    screen.tick()
    await settle(pilot)


def rows(app: App[Any], name: str) -> list[str]:
    return painted(app.screen.query_one(f"#{name}"))


def all_text(app: App[Any]) -> str:
    return "\n".join([*rows(app, "head"), *rows(app, "queue"), *rows(app, "text")])


def last_line(app: App[Any]) -> str:
    return painted(app.screen.query_one("#hints"))[1].strip()
