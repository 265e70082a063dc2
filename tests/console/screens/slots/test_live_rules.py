"""What the console shows of live rules, and of what a loop waits for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.model import (
    Actor,
    Cause,
    Change,
    Evidence,
    ExitRecord,
    LiveContext,
    LoopEnd,
    LoopEndKind,
    LoopState,
    Observation,
    ProposalStatus,
    Round,
    RoundState,
    RunState,
)
from textual.screen import Screen

from autoloop_tui.console.present.proposals.queue import what_next
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from tests.console.projects import NOW, RecordedProject, painted
from tests.console.running import Size, on_top

WHY = "live rule pi-vanished at step 320: ot_pi_sum.last 3.2e-9 < 1e-6"
CHANGES = [Change(path="ot.loss_config.reg", before=0.1, after=0.2)]


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    """A run relaunched by a live rule, one that a rule asks about, and queued ones."""
    project = RecordedProject(tmp_path, slots=3)
    seen = Observation(name="ot_pi_sum.last", value=3.2e-9, op="<", threshold=1e-6, holds=True)
    evidence = Evidence(rule="pi-vanished", rule_version="1", when="ot_pi_sum.last < 1e-6", observations=[seen])
    made = dict(author=Actor.rule("pi-vanished"), reason="the mass has vanished", changes=CHANGES, evidence=evidence)
    first = project.run(
        "base",
        RunState.STOPPED,
        reason=f"stopped: {WHY}",
        attempt={"cause": f"stopped: {WHY}", "exit": ExitRecord(signal=2, stopped_by="stop")},
    )
    live = LiveContext(attempt=f"{first.id}-1", step=320)
    done = project.proposal(first, status=ProposalStatus.LAUNCHED, run="next", live=live, decided_by=Actor.rule("x"), **made)
    project.run("base_live1", RunState.RUNNING, id="next", base=first, proposal=done.id, log="line\n")
    asked = project.run("tau", RunState.RUNNING, slot=1, attempt={"slot": 1}, log="line\n")
    project.proposal(asked, live=LiveContext(attempt=f"{asked.id}-1", step=340), **made)
    project.run("later", RunState.QUEUED)
    return project


@asynccontextmanager
async def drive(
    project: RecordedProject, size: Size = (120, 40), keys: Sequence[str] = (), *, driven: bool = True
) -> AsyncIterator[Screen[Any]]:
    """Open the screen that `keys` lead to, and wait for a few periods of the clock."""
    app = project.app()
    with project.engine() if driven else nullcontext():
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            for _ in range(10):
                app.tick()
                await pilot.pause()
            yield app.screen


def whole(screen: Screen[Any], pane: str) -> str:
    return "\n".join(painted(screen.query_one(pane)))


@pytest.mark.parametrize("size", [(80, 23), (120, 40), (200, 50)])
async def test_what_a_live_rule_asks_stands_on_the_first_screen(project: RecordedProject, size: Size) -> None:
    async with drive(project, size) as screen:
        assert "a live rule asks" in whole(screen, "#top")
        assert "live rule pi-vanished: relaunch tau, at step 340?   p decides" in whole(screen, "#next")


async def test_the_row_of_the_run_says_that_a_rule_asks_about_it(project: RecordedProject) -> None:
    async with drive(project) as screen:
        assert "rule pi-vanished asks: relaunch?  p decides" in whole(screen, "#slots")


async def test_the_queue_begins_at_what_is_asked_and_counts_live_rules_apart(project: RecordedProject) -> None:
    async with drive(project, (80, 23), "p") as screen:
        assert on_top(screen.app, ProposalsScreen).rows.proposal.status is ProposalStatus.PENDING
        head = whole(screen, "#head")
        assert "2 from live rules" in head
        assert "1 to decide now" in head
        assert "launched" not in head
        assert "is about tau in training: a relaunches it, x lets it continue" in head


async def test_approving_all_leaves_out_what_live_rules_ask(project: RecordedProject) -> None:
    async with drive(project, keys=("p", "A")):
        assert project.commands() == []


async def test_a_stopped_run_names_the_rule_and_its_successor(project: RecordedProject) -> None:
    async with drive(project, (80, 24), ("r", "g", "enter")) as screen:
        words = " ".join(whole(screen, "#run-cause").split())
        assert f"■ {WHY}" in words
        assert "relaunched as base_live1 (next)" in words


async def test_rounds_tells_what_was_stopped_and_what_came_of_it(project: RecordedProject) -> None:
    async with drive(project, (80, 24), ("r", "g")) as screen:
        assert "1 stopped" in whole(screen, "#runs")
        assert "approved" not in whole(screen, "#runs")
        told = whole(screen, "#lineage")
        assert "ot_pi_sum.last 3.2e-9 < 1e-6" in told
        assert "relaunched by a live rule as base_live1" in told


async def test_a_wait_is_told_whole_where_the_top_has_no_room(project: RecordedProject) -> None:
    why = "the disk of /data/outputs has 0.4 GB free, and a start needs 1 GB (min_free_gb); free some space"
    project.change_loop(waits_for=why)

    async with drive(project, (80, 24)) as screen:
        assert why in " ".join(whole(screen, "#next").split())
        assert "no runs start" in whole(screen, "#top")


async def test_limits_are_told_with_the_round(project: RecordedProject) -> None:
    project.change_loop(max_runs=40, deadline=time.time() + 3600)

    async with drive(project, (80, 24)) as screen:
        assert "3 of 40 runs started, until" in whole(screen, "#next")


async def test_why_a_loop_was_stopped_and_how_it_goes_on(project: RecordedProject) -> None:
    project.change_loop(
        state=LoopState.STOPPED,
        end=LoopEnd(kind=LoopEndKind.EARLY_FAILURES, text="3 runs in a row failed before their first step"),
    )

    async with drive(project, (80, 24)) as screen:
        assert "failed before their first step; R continues it" in whole(screen, "#next")


async def test_without_an_engine_the_strip_says_that_nothing_starts(project: RecordedProject) -> None:
    async with drive(project, (80, 24), driven=False) as screen:
        said = " ".join(whole(screen, "#next").split())
        assert "the processes of 2 runs are gone, no runs start; R continues the loop" in said


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_a_failed_run_says_in_its_row_what_to_do(tmp_path: Path, size: Size) -> None:
    project = RecordedProject(tmp_path)
    cause = Cause(id="x", text="CUDA out of memory", advice="lower batch_size, or free the GPU")
    project.run("oom", RunState.FAILED, reason=cause.text, attempt={"cause": cause.text, "diagnosis": cause})

    async with drive(project, size) as screen:
        said = whole(screen, "#slots") + whole(screen, "#queue")
        assert "CUDA out of memory: lower batch_size, or free the GPU" in said


async def test_eight_slots_have_a_line_each_in_tmux(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=8)
    for place in range(8):
        project.run(f"run_{place}", RunState.RUNNING, slot=place, attempt={"slot": place})

    async with drive(project, (80, 23)) as screen:
        shown = whole(screen, "#slots")
        assert all(f"run_{place}" in shown for place in range(8))


async def test_the_countdown_names_the_keys_at_80_columns(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    base = project.run("base")
    project.proposal(base, status=ProposalStatus.APPROVED, changes=CHANGES)
    start = time.time() + 50
    project.store.put_round(Round(loop=project.loop.id, number=1, state=RoundState.DECIDING, started_at=NOW, start_at=start))

    async with drive(project, (80, 24)) as screen:
        assert "starts in a moment" in whole(screen, "#top")
        told = whole(screen, "#next")
        assert "round 2 starts in" in told
        assert "p, then u undoes, H holds, S starts" in told


async def test_live_proposals_do_not_count_for_the_next_round(project: RecordedProject) -> None:
    """Live proposals still open at the end of a round do not belong to the next round."""
    project.round(1, RoundState.DECIDING)
    for run in project.store.runs(project.loop.id):
        project.store.put_run(msgspec.structs.replace(run, state=RunState.FINISHED, slot=None))
    for proposal in project.store.proposals(project.loop.id):
        project.store.put_proposal(msgspec.structs.replace(proposal, status=ProposalStatus.LAPSED))

    async with drive(project) as screen:
        assert "round 2: nothing to run   p proposes" in whole(screen, "#next")
        slots = on_top(screen.app, SlotsScreen)
        assert slots.view is not None
        assert "Round 2 has nothing to run" in what_next(slots.view, slots.console.keys_of, time.time())
