"""The strip below the slots: pending decisions, and what comes next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import (
    THEN,
    Call,
    Change,
    Comparison,
    LoopEnd,
    LoopEndKind,
    LoopState,
    Outcome,
    ProposalStatus,
    RoundState,
    RunState,
    Standing,
)

from tests.console.projects import RecordedProject, painted
from tests.console.running import Size
from tests.console.screens.slots.driving import busy, changed, drive
from tests.console.waiting import settle, until

ALL_DONE = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all 3 rounds done")


@pytest.fixture
def waiting(tmp_path: Path) -> RecordedProject:
    project = RecordedProject(tmp_path, slots=2)
    base = project.run("base_" + "x" * 60)
    project.round(1, RoundState.DECIDING)
    change = [Change(path="ot.loss_config.reg", before=0.1, after=0.16)]
    for n in range(6):
        project.proposal(base, changes=change, reason=f"reason {n} \x1b[31m" + "because " * 40)
    project.proposal(base, changes=change, status=ProposalStatus.BLOCKED, blocked="no")
    return project


@pytest.mark.parametrize(("size", "rows"), [((80, 24), 0), ((120, 40), 2), ((200, 50), 4)])
async def test_the_strip_shows_as_many_proposals_as_fit(waiting: Any, size: Size, rows: Any) -> None:
    async with drive(waiting, size) as (_, screen):
        strip = painted(screen.query_one("#next"))
        assert len(strip) == rows + 1
        for number, row in enumerate(strip[:rows], 1):
            assert f"#{number}" in row
            assert "reg 0.1→0.16" in row
            assert f"reason {number - 1} [31mbecause" in row
            assert row.rstrip().endswith("…")
        assert "round 2: 6 to decide" in strip[-1]
        assert ("not shown here" in strip[-1]) == bool(rows)
        assert "p decides" in strip[-1]


async def test_the_strip_shrinks_when_everything_is_decided(waiting: Any) -> None:
    async with drive(waiting, (200, 50)) as (pilot, screen):
        for proposal in waiting.store.proposals(waiting.loop.id):
            waiting.store.put_proposal(changed(proposal, status=ProposalStatus.APPROVED))
        pilot.app.tick()
        await settle(pilot)
        assert len(painted(screen.query_one("#next"))) == 1
        assert "round 2: 7 approved" in painted(screen.query_one("#next"))[0]


async def test_a_loop_that_has_ended_says_whether_a_config_is_better_than_the_baseline(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=1)
    project.round(1, RoundState.DONE)
    base, other = project.run("base"), project.run("lr=3e-2,seed=1", group="g", seed="1")
    found = Outcome(
        metric="eval/loss",
        statistic="tail mean",
        highest=False,
        baseline=Standing(run=base.id, value=0.35, runs=1),
        first=Standing(run=other.id, value=0.3, runs=4),
        comparison=Comparison(
            call=Call.BETTER, basis="paired by seed", effect=-0.05, runs=(4, 1), interval=(-0.07, -0.03), more=0
        ),
        changes=[Change(path="ot.loss_config.reg", before=0.1, after=0.16)],
    )
    project.store.put_loop(changed(project.loop, state=LoopState.FINISHED, end=ALL_DONE, outcome=found))
    async with drive(project, (120, 40)) as (_, screen):
        text = " ".join(" ".join(painted(screen.query_one("#next"))).split())
    assert "lr=3e-2 (4 seeds) is better than the baseline, base: eval/loss -0.05 [-0.07, -0.03]" in text
    assert "tail mean of 4 and 1 run" in text
    assert "differs from the baseline in ot.loss_config.reg 0.1 → 0.16" in text
    # Text that does not fit is cut between words, and ends with an ellipsis.
    many = [Change(path=f"ot.features.{n}.weight_label", before=0.01, after=0.005) for n in range(9)]
    project.store.put_loop(changed(project.store.find_loop(None), outcome=changed(found, changes=many)))
    async with drive(project, (80, 24)) as (_, screen):
        last = [row.rstrip() for row in painted(screen.query_one("#next")) if "weight_label" in row][-1]
    assert re.search(r"(weight_label|0\.01|→|0\.005) …$", last), last


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"held": True}, "held: p, then S starts it"),
        ({"state": LoopState.FINISHED, "end": ALL_DONE}, "all 3 rounds done"),
    ],
)
async def test_the_strip_tells_what_holds_the_next_round(waiting: Any, changes: Any, told: Any) -> None:
    waiting.change_loop(**changes)

    async with drive(waiting) as (_, screen):
        assert told in painted(screen.query_one("#next"))[-1]


async def test_while_a_round_runs_the_strip_tells_what_comes_then(tmp_path: Path) -> None:
    async with drive(busy(tmp_path), (200, 50)) as (_, screen):
        assert "round 1 has 2 runs left, then its proposals" in painted(screen.query_one("#next"))[0]


async def test_the_strip_asks_about_the_winner_and_follows_its_long_training(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=2)
    run = project.run("new", state=RunState.FINISHED)
    project.round(1, RoundState.DONE)
    made = project.proposal(run, edits=[], reason="its config is better than the baseline", author=THEN, extend=40)
    async with drive(project, (120, 40)) as (pilot, screen):
        strip = painted(screen.query_one("#next"))
        assert "continue to 40 steps" in strip[0]
        assert "p to decide whether new continues to 40 steps" in strip[-1]
        project.store.put_proposal(changed(made, status=ProposalStatus.LAUNCHED, run=run.id))
        project.store.put_run(changed(run, state=RunState.QUEUED, step=20, total_steps=40))
        said = "the winner, new, continues: step 20 of 40, then it is finished"
        await until(pilot, lambda: said in painted(screen.query_one("#next"))[-1], "what comes next")
