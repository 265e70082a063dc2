"""The Compare screen in a test, and runs to compare."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from autoloop.model import MetricSummary

from autoloop_tui.console.screens.compare.screen import CompareScreen
from tests.console.projects import CONFIG, RecordedProject, curve, painted
from tests.console.running import ConsolePilot, Size, run_app
from tests.console.waiting import settle, until

SIZES = [(80, 24), (120, 40), (200, 50)]
EVAL, L1 = "eval/offline_eval/avg_l1", "train/l1_loss"


@asynccontextmanager
async def on_compare(
    project: RecordedProject, *, marked: Sequence[str] = (), size: Size = (120, 40), **options: Any
) -> AsyncIterator[tuple[ConsolePilot, CompareScreen]]:
    """Open the Compare screen and wait until the histories have been read."""
    app = project.app(**options)
    async with run_app(app, size) as pilot:
        app.marked = list(marked)
        await pilot.press("c")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(pilot, lambda: all(side.caught_up for side in screen.sides))
        await until(pilot, lambda: all(row.strip() for row in painted(screen.query_one("#legend"))))
        yield pilot, screen


def text_of(screen: CompareScreen, name: str) -> list[str]:
    return [row.rstrip() for row in painted(screen.query_one(name))]


def config(**changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(CONFIG)
    for path, value in changes.items():
        *blocks, key = path.split("__")
        node = made
        for block in blocks:
            node = node[block]
        node[key] = value
    return made


def metrics(eval_l1: Any, pi_sum: float = 0.5, n: int = 50) -> Any:
    return {L1: curve(n), EVAL: curve(10, 1.2, eval_l1, 20), "train/ot_pi_sum": curve(n, 0.1, pi_sum)}


def three(project: RecordedProject) -> Any:
    first = project.run("act_base", metrics=metrics(0.5))
    better = project.run("act_lr", config=config(policy__optimizer_lr=1e-3), metrics=metrics(0.2, 0.9), base=first)
    other = config(ot__loss_config__reg=0.4, batch_size=8)
    worse = project.run("act_reg", config=other, metrics=metrics(0.8), base=first)
    return [first.id, better.id, worse.id]


def summary(last: Any, mad: float = 0.0) -> Any:
    return MetricSummary(
        first=1.0,
        last=last,
        best=last,
        best_step=1,
        delta=0.0,
        pct=0.0,
        n=9,
        min=0.0,
        max=1.0,
        tail_mean=last,
        tail_mad=mad,
        first_step=0,
        last_step=9,
    )
