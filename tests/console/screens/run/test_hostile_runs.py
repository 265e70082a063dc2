"""The Run screen: any run name, and any number of runs."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.model import Actor, RunState, StopCause, StopKind

from autoloop_tui.console.widgets.row_pane import RowPane
from tests.console.projects import CONFIG, RecordedProject, curve, painted
from tests.console.running import Size
from tests.console.screens.run.driving import SIZES, drive, press, seen


@pytest.mark.parametrize("size", [*SIZES, (40, 10), (1, 1)])
async def test_hostile_names_and_texts_are_harmless_at_every_size(project: RecordedProject, size: Size) -> None:
    evil = "\x1b[31m[b]日本語\u202e\n'\"{" + "x" * 300
    config = {**CONFIG, evil: evil}
    base = project.run("base")
    proposal = project.proposal(base, author=Actor.person(evil), reason=evil)
    run = project.run(
        "v",
        RunState.FAILED,
        base=base,
        config=config,
        proposal=proposal.id,
        reason=evil,
        log=evil.encode() * 50,
        metrics={"train/" + evil: curve(5)},
        attempt={"cause": evil, "argv": [evil, evil], "stop": StopCause(kind=StopKind.USER, text=evil)},
    )

    async with drive(project, run, size) as (pilot, screen):
        for part in "1234":
            await press(pilot, part)
            text = seen(screen)
            assert "\x1b" not in text
            assert "\u202e" not in text
            for pane in screen.query(RowPane):
                for y in range(pane.size.height):
                    assert pane.render_line(y).cell_length == pane.size.width


async def test_a_lost_run_without_metrics_says_so(project: RecordedProject) -> None:
    run = project.run("ghost", RunState.LOST, metrics={})

    async with drive(project, run) as (_, screen):
        assert "It logged no metrics before its process disappeared" in seen(screen)


async def test_a_run_among_five_thousand_opens_and_steps_without_waiting(project: RecordedProject) -> None:
    base = project.run("base")
    with project.store.transaction():
        for i in range(5000):
            project.store.put_run(
                type(base)(
                    id=f"old{i:05}",
                    loop=base.loop,
                    round=1,
                    position=i + 10,
                    name=f"old_{i}",
                    config_path="x",
                    source_path="x",
                    config_hash=str(i),
                    state=RunState.FINISHED,
                )
            )
    run = project.run("last", base=base, config={**CONFIG, "seed": 2})

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "3", "1", "l")
        assert "last" in painted(screen.query_one("#run-head"))[0]


async def test_ascii_needs_no_other_letters(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, ascii_only=True) as (pilot, screen):
        for part in "1234":
            await press(pilot, part)
            assert seen(screen).isascii(), [c for c in seen(screen) if not c.isascii()]
