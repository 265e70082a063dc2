"""The Rounds screen in a test, and the rows it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from autoloop.model import (
    ProposalStatus,
    RoundState,
    RunState,
)

from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import CONFIG, RecordedProject, curve, painted
from tests.console.running import ConsolePilot, Size, run_app
from tests.console.waiting import settle


@asynccontextmanager
async def on_rounds(
    project: RecordedProject, *, size: Size = (120, 40), **options: Any
) -> AsyncIterator[tuple[ConsolePilot, RoundsScreen]]:
    """Open the Rounds screen."""
    app = project.app(**options)
    async with run_app(app, size) as pilot:
        await pilot.press("r")
        await settle(pilot)
        assert isinstance(app.screen, RoundsScreen)
        yield pilot, app.screen


def table_rows(screen: RoundsScreen) -> list[str]:
    return [row.rstrip() for row in painted(screen.query_one(Table))]


def shown_runs(screen: RoundsScreen) -> Any:
    return [key for key in screen.query_one(Table).keys if not key.startswith("round ")]


def metrics(eval_l1: Any, pi_sum: float = 0.5, n: int = 50) -> Any:
    return {
        "train/l1_loss": curve(n),
        "eval/offline_eval/avg_l1": curve(10, 1.2, eval_l1, 20),
        "train/ot_pi_sum": curve(n, 0.1, pi_sum),
    }


def family(project: RecordedProject) -> Any:
    """Add a base, a better variant and a failed run; a variant of the variant is queued in round 3."""
    project.round(1, RoundState.DONE)
    base = project.run("act_base", metrics=metrics(0.5))
    failed = project.run("act_big", RunState.FAILED, reason="CUDA out of memory", attempts=2, step=76)
    made = project.proposal(base, status=ProposalStatus.LAUNCHED)
    project.proposal(base, status=ProposalStatus.REJECTED)
    project.round(2, RoundState.DONE)
    config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.15}}
    better = project.run("act_base_r2_1", base=base, config=config, metrics=metrics(0.2, 0.9), round=2, proposal=made.id)
    project.round(3)
    queued = project.run("act_base_r3_1", RunState.QUEUED, base=better, round=3)
    return base, failed, better, queued
