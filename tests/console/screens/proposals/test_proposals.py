"""The Proposals screen: what it shows, and what each key asks of the engine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.engine import spawn
from autoloop.model import (
    Actor,
    Change,
    Evidence,
    LoopEnd,
    LoopEndKind,
    LoopState,
    Observation,
    ProposalStatus,
    RoundState,
    Run,
    RunState,
)
from autoloop.protocol import Approve, Edit, Hold, Propose, Reject, Start, Undo, Variant
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.present.proposals.edits import edit_lines, edits_of_file
from autoloop_tui.console.screens.dialogs import Ask, Confirm
from autoloop_tui.console.screens.pick_run import PickRun
from autoloop_tui.console.screens.proposals.editor import Edits, EditValues, WriteEdits
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.proposals.list import ProposalList
from tests.console.projects import CONFIG, Project, curve, painted
from tests.console.running import Size, on_top
from tests.console.waiting import settle, until
from tests.support.calls import calls_of

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


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A round that has been judged: one run, and nothing proposed yet."""
    made = Project(tmp_path)
    made.run("demo_baseline")
    made.round(1, RoundState.DECIDING)
    return made


def base_of(project: Project) -> Run:
    """The first run of the project, on which its proposals rest."""
    return project.store.run("run00001")


def proposals(app: App[Any]) -> ProposalList:
    return on_top(app, ProposalsScreen).rows


def add(project: Project, changes: Any = (REG,), base: Run | None = None, **more: Any) -> Any:
    edits = more.pop("edits", [f"{change.path}@set={json.dumps(change.after)}" for change in changes])
    return project.proposal(base or base_of(project), edits, changes=list(changes), **more)


@asynccontextmanager
async def console(
    project: Project, size: Size = (80, 24), keys: Sequence[str] = ("p",), engine: bool = True, **options: Any
) -> AsyncIterator[tuple[Pilot[Any], ConsoleApp]]:
    """The console after `keys`."""
    app = project.app(**options)
    with project.engine() if engine else nullcontext():
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await settle(pilot)
            yield pilot, app


async def see(pilot: Pilot[Any], app: ConsoleApp) -> None:
    """What the store says now is on the screen: one turn of the console's clock, without waiting for it."""
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


# -------------------------------------------------------------------------------------------------------- what it shows


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_a_proposal_shows_what_it_changes_why_and_in_which_state_at_every_size(project: Project, size: Size) -> None:
    author = Actor.rule("ot-mass-low")
    add(project, (REG, BATCH), author=author, reason="OT mass near zero", evidence=LOW, priority=3, revision=2)

    async with console(project, size) as (pilot, app):
        await see(pilot, app)
        head, row, *_ = rows(app, "queue")
        assert head.split()[:3] == ["state", "id", "base"]
        for text in ("pend", "#1", "demo_baseline", "reg 0.1→0.16", "ot-mass-low", "3", "✎2"):
            assert text in row
        await pilot.press("enter")
        text = "\n".join(rows(app, "text"))
        for part in ("OT mass near zero", "ot.loss_config.reg  0.1 → 0.16", "batch_size           16 → 24"):
            assert part in text
        if size[0] > 80:
            for part in ("l1_loss.last < 1e-3", "2.7e-6 < 0.25", "n 60 · steps 5–300 · noise 3.1e-7"):
                assert part in text


async def test_the_metric_of_the_base_run_is_drawn_with_the_threshold(project: Project) -> None:
    add(project, evidence=LOW)

    async with console(project, (120, 40)) as (pilot, app):
        await see(pilot, app)
        await see(pilot, app)
        chart = app.screen.query_one("#chart0", Chart)
        run, threshold = chart._lines
        assert (chart.chart_title, run.label, len(run.series)) == ("l1_loss", "demo_baseline", 50)
        assert threshold.base
        assert threshold.label == "< 0.25"
        assert set(threshold.series.values) == {0.25}
        await pilot.press("l")
        assert chart.chart_title == "eval_l1"
        assert len(chart._lines) == 1
        await pilot.press("h", "y")
        assert (chart.chart_title, chart.log_y) == ("l1_loss", True)


async def test_a_threshold_of_a_percentage_is_not_drawn_on_the_axis_of_values(project: Project) -> None:
    observed = msgspec.structs.replace(LOW.observations[0], name="l1_loss.pct")
    add(project, evidence=msgspec.structs.replace(LOW, observations=[observed]))

    async with console(project, (120, 40)) as (pilot, app):
        await see(pilot, app)
        assert len(app.screen.query_one("#chart0", Chart)._lines) == 1


async def test_a_blocked_proposal_says_why_before_anything_else(project: Project) -> None:
    add(project, status=ProposalStatus.BLOCKED, blocked="This config has already been run: run x of loop_1.")

    async with console(project) as (pilot, app):
        assert "▲ blocked: This config has already been run: run x of loop_1." in rows(app, "text")[1]
        await pilot.press("a")
        assert "is blocked; edit it first (e)" in last_line(app)
        assert project.commands() == []


async def test_earlier_uses_of_the_rule_are_told_with_what_came_of_them(project: Project) -> None:
    better = project.run(
        "demo_r2_1",
        base=base_of(project),
        round=2,
        metrics={"train/l1_loss": curve(end=0.05), "eval/offline_eval/avg_l1": curve(10, 1.2, 0.9, 20)},
    )
    broken = project.run("demo_r2_2", RunState.FAILED, base=base_of(project), round=2, reason="CUDA out of memory")
    for run in (better, broken):
        add(project, evidence=LOW, round=1, status=ProposalStatus.LAUNCHED, run=run.id)
    add(project, author=Actor.rule("other"), round=1, status=ProposalStatus.LAUNCHED, run=better.id)
    project.round(2, RoundState.DECIDING)
    # Somebody edited it: the rule that made it still counts.
    add(project, evidence=LOW, author=Actor.person("jo"), round=2)

    async with console(project, (120, 40)) as (pilot, app):
        await pilot.press("enter")
        text = "\n".join(rows(app, "text"))
        uses = text[text.index("other uses of ot-mass-low") :]
        assert uses.index("demo_r2_2  failed: CUDA out of memory") < uses.index("demo_r2_1")
        assert "l1_loss 0.1139 → 0.06478 better" in uses
        assert "eval_l1 0.2129 → 0.9001 worse" in uses
        assert uses.count("r2 demo") == 2


async def test_earlier_rounds_are_below_the_current_one_and_headings_are_passed_over(project: Project) -> None:
    add(project, round=1, status=ProposalStatus.REJECTED)
    project.round(2, RoundState.DECIDING)
    add(project, round=2)

    async with console(project) as (pilot, app):
        queue = rows(app, "queue")
        assert "#2" in queue[1]
        assert "from round 1" in queue[2]
        assert "#1" in queue[3]
        await pilot.press("j")
        assert proposals(app).cursor == 1
        await pilot.press("j", "k", "k")
        assert proposals(app).cursor == 2


@pytest.mark.parametrize(
    ("change", "round_", "said"),
    [
        ({}, RoundState.RUNNING, "Round 1 runs, 1 of 1 ended"),
        ({"held": True}, RoundState.DECIDING, "Held: round 2 starts when you press S"),
        (
            {"state": LoopState.FINISHED, "end": LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all done")},
            RoundState.DONE,
            "has finished: all done.",
        ),
        (
            {"state": LoopState.STOPPED, "end": LoopEnd(kind=LoopEndKind.USER, text="stopped by jo")},
            RoundState.RUNNING,
            "stopped by jo; R resumes it",
        ),
    ],
)
async def test_the_header_says_what_happens_next(project: Project, change: Any, round_: Any, said: Any) -> None:
    add(project)
    project.change_loop(**change)
    project.round(1, round_)

    async with console(project) as (_, app):
        assert said in rows(app, "head")[1]
        assert "1 pending" in rows(app, "head")[0]


async def test_the_header_counts_down_to_the_automatic_start(project: Project) -> None:
    add(project)
    deciding = msgspec.structs.replace(project.store.rounds(1)[0], state=RoundState.DECIDING, decide_by=time.time() + 125.5)
    project.store.put_round(deciding)

    async with console(project) as (_, app):
        assert "Round 2 starts in 2m0" in rows(app, "head")[1]
        assert "H holds it" in rows(app, "head")[1]


async def test_the_header_names_what_can_be_done_when_nothing_can_start(project: Project) -> None:
    add(project, status=ProposalStatus.REJECTED)

    async with console(project) as (_, app):
        assert "Round 2 has nothing to run: propose (n), edit a blocked one (e) or undo (u)." in rows(app, "head")[1]


async def test_an_empty_queue_says_when_proposals_come(project: Project) -> None:
    project.round(1, RoundState.RUNNING)

    async with console(project) as (pilot, app):
        text = "\n".join(rows(app, "queue"))
        assert "No proposals yet" in text
        assert "when all runs of round 1 have ended" in text
        # No key does harm where there is nothing.
        await pilot.press(*"jkgGaxeEdAXSyhlJK", "space", "ctrl+d", "ctrl+u", "enter", "enter")
        assert isinstance(app.screen, ProposalsScreen)
        assert project.commands() == []


async def test_the_words_of_runs_and_rules_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("evil\x1b[31m\u202erun\n", config={**CONFIG, "name": "x"})
    project.round(1, RoundState.DECIDING)
    bad = "\x1b]0;owned\x07[bold]长长的原因\u200d\r\n" * 40
    changes = (
        Change(path="name", before="\x1b[2J", after="y" * 100_000),
        Change(path="k\x07", before=None, after=[0] * 50_000),
    )
    add(
        project,
        changes,
        edits=[bad],
        reason=bad,
        author=Actor.rule(f"{bad}"),
        notes=[bad],
        note=bad,
        blocked=bad,
        status=ProposalStatus.BLOCKED,
    )

    async with console(project) as (pilot, app):
        for size in ((80, 24), (40, 10), (1, 1), (200, 50)):
            await pilot.resize_terminal(*size)
            await pilot.press("enter")
            for name in ("head", "queue", "text"):
                pane = app.screen.query_one(f"#{name}")
                for row in painted(pane):
                    assert not set(row) & set("\x1b\x07\r\n\u202e\u200d")
        await pilot.press("j")
        assert "blocked" in all_text(app)


async def test_ascii_only_uses_ascii_glyphs(project: Project) -> None:
    add(project, (REG, BATCH), evidence=LOW, revision=2)

    async with console(project, (120, 40), ascii_only=True) as (pilot, app):
        await pilot.press("enter")
        assert all_text(app).isascii()
        await pilot.press("e")
        await settle(pilot)
        assert all("".join(painted(pane)).isascii() for pane in app.screen.query("RowPane"))


# --------------------------------------------------------------------------------------------------------------- moving


async def test_enter_shows_the_proposal_alone_and_q_comes_back_to_the_queue(project: Project) -> None:
    add(project, evidence=LOW)

    async with console(project) as (pilot, app):
        await pilot.press("enter")
        await settle(pilot)
        assert not app.screen.query_one("#queue").display
        assert app.screen.query_one("#charts").display
        assert app.screen.query_one("#text").size.height > 8
        await pilot.press("q")
        assert app.screen.query_one("#queue").display
        await pilot.press("q")
        assert isinstance(app.screen, SlotsScreen)


async def test_a_long_proposal_scrolls(project: Project) -> None:
    add(project, [Change(path=f"key_{i}", before=i, after=i + 1) for i in range(60)])

    async with console(project) as (pilot, app):
        await pilot.press("J", "J")
        assert "rows 3-" in rows(app, "text")[0]
        await pilot.press("K", "enter", "ctrl+d")
        assert "rows 2-" not in rows(app, "text")[0]
        await pilot.press("ctrl+u", "ctrl+u", "K")
        assert "rows 1-" in rows(app, "text")[0]


async def test_new_proposals_are_marked_until_they_were_under_the_cursor_and_nothing_moves(project: Project) -> None:
    add(project)

    async with console(project) as (pilot, app):
        assert "new" not in rows(app, "queue")[1]
        add(project, (BATCH,))
        await see(pilot, app)
        assert [row[:20].split() for row in rows(app, "queue")[1:3]] == [
            [">", "◌", "pend", "#1"],
            ["◌", "pend", "#2", "new"],
        ]
        await pilot.press("j")
        assert "new" not in rows(app, "queue")[2]
        await pilot.press("q", "p")
        await settle(pilot)
        assert "new" not in "".join(rows(app, "queue"))


async def test_the_row_under_the_cursor_keeps_its_place_when_a_round_comes_above_it(project: Project) -> None:
    for _ in range(40):
        add(project, round=1)

    async with console(project) as (pilot, app):
        await pilot.press("G", "k", "k")
        at = next(y for y, row in enumerate(rows(app, "queue")) if row.startswith(">"))
        project.round(2, RoundState.DECIDING)
        for _ in range(5):
            add(project, round=2)
        await see(pilot, app)
        assert proposals(app).cursor == 38
        assert rows(app, "queue")[at].startswith(">")


async def test_a_click_chooses_a_row(project: Project) -> None:
    add(project)
    add(project, (BATCH,))

    async with console(project) as (pilot, app):
        await pilot.click("#queue", offset=(20, 2))
        assert proposals(app).cursor == 2
        await pilot.click("#queue", offset=(20, 0))
        assert proposals(app).cursor == 2


async def test_of_five_hundred_proposals_only_the_visible_rows_are_built_and_only_changed_ones_painted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with project.store.transaction():
        for _ in range(500):
            add(project)
    built = calls_of(monkeypatch, ProposalList, "_row")

    async with console(project, (200, 50)) as (pilot, app):
        built.clear()
        await pilot.press("j")
        assert 0 < len(built) <= 3 * proposals(app).size.height
        assert proposals(app).repaint() == 0
        proposals(app).cursor = 4
        assert proposals(app).repaint() == 2
        await pilot.press("G")
        assert proposals(app).cursor == 500
        await pilot.press("ctrl+u", "g", "ctrl+d")
        assert proposals(app).cursor == 1 + proposals(app).half_page


# ------------------------------------------------------------------------------------------------------------- deciding


async def test_approve_asks_the_engine_and_goes_on_to_the_next_pending_one(project: Project) -> None:
    add(project)
    add(project, status=ProposalStatus.REJECTED)
    add(project, (BATCH,))

    async with console(project) as (pilot, app):
        assert last_line(app) == "$ autoloop-tui approve 1"
        await pilot.press("a")
        assert project.commands() == [Approve(proposals=[1])]
        assert proposals(app).cursor == 3
        assert "… sent" in rows(app, "queue")[1]
        assert last_line(app) == "$ autoloop-tui approve 3"
        await pilot.press("a")  # the first is on its way: nothing is left to go to
        assert proposals(app).cursor == 3
        await pilot.press("k")
        assert last_line(app) == "$ autoloop-tui approve 2"


async def test_reject_asks_for_a_reason_that_may_be_empty(project: Project) -> None:
    for _ in range(3):
        add(project)

    async with console(project) as (pilot, app):
        await pilot.press("x")
        assert isinstance(app.screen, Ask)
        await pilot.press("escape")
        assert project.commands() == []
        await pilot.press("x", *"too q", "enter", "x", "enter")
        assert project.commands() == [Reject(proposals=[1], note="too q"), Reject(proposals=[2])]
        assert proposals(app).cursor == 3


async def test_undo_asks_for_the_last_decision_wherever_the_cursor_is(project: Project) -> None:
    add(project, status=ProposalStatus.APPROVED)
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("g", "u", "j", "u")
        assert project.commands() == [Undo()] * 2
        command = project.store.open_commands(1)[0]
        project.store.answer(command.id, True, "proposal 1 is pending again (before: approved by jo)")
        app.tick()
        assert last_line(app) == "proposal 1 is pending again (before: approved by jo)"


async def test_what_has_become_a_run_cannot_be_decided_any_more(project: Project) -> None:
    add(project, status=ProposalStatus.LAUNCHED, run=base_of(project).id)

    async with console(project) as (pilot, app):
        for key in "axeE":
            await pilot.press(key)
            assert "has become demo_baseline; d makes a new one of it" in last_line(app)
        assert project.commands() == []


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 20)])
async def test_approving_all_asks_first_and_says_how_many_and_what_it_costs(project: Project, size: Size) -> None:
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
            # The one run that has finished took 300 s.
            assert app.screen.why == "6 runs × ~5m00s on 2 slots ≈ 15m00s. 1 blocked left out, e edits."
            await pilot.press(refusal)
            await settle(pilot)
        assert project.commands() == []
        await pilot.press("A", "y")
        assert project.commands() == [Approve(proposals=[1, 2, 3, 4, 5])]
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
    project: Project, change: Any, marked: Any, what: Any, why: Any
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
    project = Project(tmp_path, slots=1)
    base = project.run("base", RunState.STOPPED)
    project.round(1, RoundState.DECIDING)
    add(project, base=base)

    async with console(project) as (pilot, app):
        await pilot.press("A")
        await settle(pilot)
        said = "1 run on 1 slot; no run of this loop has finished, so it is not known how long that takes."
        assert on_top(app, Confirm).why == said


async def test_rejecting_all_asks_first_then_for_the_reason(project: Project) -> None:
    for _ in range(3):
        add(project)

    async with console(project) as (pilot, app):
        await pilot.press("X")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        assert app.focused.id == "no"
        assert app.screen.what == "Reject all 3 proposals?"
        assert app.screen.why == "Nothing is approved then, so round 2 has nothing to run."
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("X", "y", "escape")
        await settle(pilot)
        assert project.commands() == []
        await pilot.press("X", "y")
        await settle(pilot)
        await pilot.press(*"weak", "enter")
        assert project.commands() == [Reject(proposals=[1, 2, 3], note="weak")]


async def test_the_marked_are_approved_or_rejected_together(project: Project) -> None:
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
        assert project.commands()[1:] == [Approve(proposals=[2])]


async def test_start_asks_and_says_what_is_left_behind(project: Project) -> None:
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


@pytest.mark.parametrize(
    ("round_", "status", "said"),
    [
        (RoundState.RUNNING, ProposalStatus.APPROVED, "round 1 still runs"),
        (RoundState.DECIDING, ProposalStatus.PENDING, "nothing is approved yet"),
    ],
)
async def test_start_says_why_nothing_can_be_started(project: Project, round_: Any, status: Any, said: Any) -> None:
    add(project, status=status)
    project.round(1, round_)

    async with console(project) as (pilot, app):
        await pilot.press("S")
        assert said in last_line(app)
        assert project.commands() == []


async def test_hold_holds_and_releases(project: Project) -> None:
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("H")
        project.change_loop(held=True)
        await see(pilot, app)
        await pilot.press("H")
        assert project.commands() == [Hold(held=True), Hold(held=False)]


async def test_without_an_engine_nothing_is_sent_and_it_is_said(project: Project) -> None:
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


# -------------------------------------------------------------------------------------------------------------- writing


async def test_a_deleted_key_is_shown_as_such_and_stays_deleted_when_the_others_are_typed_over(project: Project) -> None:
    gone = Change(path="ot.loss_config.tau_src", before=0.05, after=None, removed=True)
    made = Change(path="ot.loss_config.tau_scr", before=None, after=1, created=True)
    add(project, [REG, gone, made], edits=["(as a rule wrote it)"])

    async with console(project, (120, 40)) as (pilot, app):
        assert "0.05 → (deleted)" in all_text(app)
        await pilot.press("e")
        await settle(pilot)
        await type_over(pilot, app, "0.2")
        await pilot.press("enter")
        await settle(pilot)
        edits = ["ot.loss_config.reg@set=0.2", "ot.loss_config.tau_src@del", "ot.loss_config.tau_scr@new=1"]
        assert project.commands() == [Edit(proposal=1, edits=edits)]


async def type_over(pilot: Pilot[Any], app: App[Any], text: str) -> None:
    app.screen.query(Input).first().value = text
    await settle(pilot)
    on_top(app, Edits).verdict()
    await settle(pilot)


def verdict(app: App[Any]) -> str:
    return " ".join(" ".join(painted(app.screen.query_one("Verdict"))).split())


async def test_a_value_is_edited_in_place_and_all_edits_are_sent_as_they_stand(project: Project) -> None:
    add(project, (REG, BATCH), edits=["ot.loss_config.reg@mul=1.6", "batch_size@add=8", "optimizer.lr@mul=2"])

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        assert isinstance(app.screen, EditValues)
        assert app.screen.query_one(Input).value == "0.16"
        await pilot.press("down", *"20.6")
        on_top(app, Edits).verdict()
        await settle(pilot)
        assert "batch_size takes whole numbers: 20.6 was rounded to 21" in verdict(app)
        await pilot.press("enter")
        await settle(pilot)
        edits = ["ot.loss_config.reg@set=0.16", "batch_size@set=20.6"]
        assert project.commands() == [Edit(proposal=1, edits=edits)]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lots", "from a number into a text; give a value of the same kind"),
        ("", 'has no value after "="'),
        ("1e999", "is too large for a number"),
        ("0.1", "ot.loss_config.reg already has that value (0.1)"),
        ("0.3", "This config has already been run: run run00002 (twin) of loop_1700000000."),
        ("0.4", "This config has already been run: proposal 2 of this round."),
    ],
)
async def test_a_value_that_the_engine_would_refuse_is_told_while_one_types_and_is_not_sent(
    project: Project, typed: Any, said: Any
) -> None:
    config = json.loads(json.dumps(CONFIG))
    config["ot"]["loss_config"]["reg"] = 0.3
    project.run("twin", config=config)
    add(project)
    config["ot"]["loss_config"]["reg"] = 0.4
    add(project, config_hash=project.hash_of(config))

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        await type_over(pilot, app, typed)
        assert said in verdict(app)
        await pilot.press("enter")
        assert isinstance(app.screen, EditValues)
        await type_over(pilot, app, "0.5")
        assert "✓ this can run" in verdict(app)
        await pilot.press("escape")
        assert project.commands() == []


async def test_an_edit_that_changes_nothing_sends_nothing(project: Project) -> None:
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert last_line(app) == "proposal 1 is unchanged"
        assert project.commands() == []


async def test_a_blocked_proposal_without_changes_is_edited_as_it_was_written(project: Project) -> None:
    add(project, (), edits=["btch_size@mul=2"], status=ProposalStatus.BLOCKED, blocked="matches nothing")

    async with console(project) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        assert isinstance(app.screen, WriteEdits)
        assert 'The edit "btch_size@mul=2" matches nothing' in verdict(app)
        await type_over(pilot, app, "batch_size@mul=2")
        assert "batch_size 16 → 32" in verdict(app)
        await pilot.press("enter")
        await settle(pilot)
        assert project.commands() == [Edit(proposal=1, edits=["batch_size@mul=2"])]


async def test_a_base_that_cannot_be_read_is_said(project: Project) -> None:
    add(project)
    (project.store.places.config(base_of(project).id)).unlink()

    async with console(project, (120, 40)) as (pilot, app):
        await pilot.press("e")
        assert "The frozen config of run run00001 cannot be read" in last_line(app)


async def test_a_new_proposal_is_written_from_a_run_that_is_chosen(project: Project) -> None:
    project.run("other")

    async with console(project) as (pilot, app):
        await pilot.press("n")
        await settle(pilot)
        assert isinstance(app.screen, PickRun)
        await pilot.press("j", "k", "G", "g", "j", "enter")
        await settle(pilot)
        assert "other (run00002)" in app.screen.what
        await type_over(pilot, app, "batch_size=24 batch_siz=1 policy.tags=[1, 2]")
        assert "if the new one is meant, write batch_siz@new=1." in verdict(app)
        await type_over(pilot, app, "batch_size=24 batch_siz@new=1 policy.tags=[1, 2]")
        assert "batch_size 16 → 24" in verdict(app)
        assert "batch_siz is a new key (the nearest existing one is batch_size)" in verdict(app)
        await type_over(pilot, app, "batch_size=24")
        await pilot.press("enter", *"bigger", "enter")
        await settle(pilot)
        variant = Variant(edits=["batch_size=24"], reason="bigger")
        assert project.commands() == [Propose(run="run00002", variants=[variant])]


async def test_a_duplicate_must_be_changed_before_it_can_be_sent(project: Project) -> None:
    config = {**CONFIG, "batch_size": 24}
    add(project, (BATCH,), config_hash=project.hash_of(config), reason="bigger")

    async with console(project) as (pilot, app):
        await pilot.press("d")
        await settle(pilot)
        assert "This config has already been run: proposal 1 of this round." in verdict(app)
        await pilot.press("enter", *" seed=7")
        on_top(app, Edits).verdict()
        await settle(pilot)
        assert "seed" in verdict(app)
        await pilot.press("enter", "enter")
        await settle(pilot)
        variant = Variant(edits=["batch_size@set=24", "seed=7"], reason="bigger")
        assert project.commands() == [Propose(run="run00001", variants=[variant])]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make $EDITOR a script; the terminal of a test cannot be suspended, so that is left out."""
    monkeypatch.delenv("VISUAL", raising=False)

    def make(body: Any) -> Any:
        path = tmp_path / "editor with space"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", f"'{path}' --wait")
        monkeypatch.setattr("autoloop_tui.console.app.ConsoleApp.suspend", lambda app: contextlib.nullcontext())
        return path

    return make


async def test_all_edits_are_written_in_the_persons_editor(project: Project, editor: Any, tmp_path: Path) -> None:
    editor(f'cp "$2" "{tmp_path}/seen"; echo "seed=7" >> "$2"')
    add(project, (REG, BATCH), reason="why\nnot", edits=["*.reg@mul=1.6"])

    async with console(project) as (pilot, _):
        await pilot.press("E")
        await settle(pilot)
        sent = ["ot.loss_config.reg@set=0.16", "batch_size@set=24", "seed=7"]
        assert project.commands() == [Edit(proposal=1, edits=sent)]
        seen = (tmp_path / "seen").read_text()
        assert edits_of_file(seen) == sent[:2]
        assert "# ot.loss_config.reg is 0.1 now" in seen
        assert "# As it was written: *.reg@mul=1.6" in seen


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("true", "proposal 1 is unchanged"),
        (': > "$2"', "proposal 1 is unchanged"),
        ("exit 3", "exited with code 3, so nothing was sent."),
        ('rm "$2"', "cannot be read as UTF-8 text, so nothing was sent."),
    ],
)
async def test_an_editor_that_leaves_nothing_usable_sends_nothing(
    project: Project, editor: Any, body: Any, said: Any
) -> None:
    editor(body)
    add(project)

    async with console(project, (200, 50)) as (pilot, app):
        await pilot.press("E")
        assert said in last_line(app)
        assert project.commands() == []


async def test_edits_that_cannot_be_used_can_be_opened_again_as_they_were_left(
    project: Project, editor: Any, tmp_path: Path
) -> None:
    path = editor('echo "batch_size=many" > "$2"')
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("E")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        assert "from a number into a text" in app.screen.why
        path.write_text('#!/bin/sh\nsed -i s/many/12/ "$2"\n')
        await pilot.press("y")
        await settle(pilot)
        assert project.commands() == [Edit(proposal=1, edits=["batch_size=12"])]


async def test_a_terminal_that_cannot_be_left_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    add(project)

    async with console(project) as (pilot, app):
        await pilot.press("E")
        assert "An editor cannot be opened from this terminal" in last_line(app)


# ------------------------------------------------------------------------------------------------------- with an engine


async def test_the_engines_answers_reach_the_screen(project: Project) -> None:
    """Approve, edit and reject against a real engine; it is held, so nothing is launched."""
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
            assert "ok" in rows(app, "queue")[1]
            await pilot.press("x", "n", "o", "enter")
            await until(pilot, lambda: state(2).status is ProposalStatus.REJECTED)
            assert state(2).note == "no"
            await pilot.press("e", *"0.9", "enter")
            await until(pilot, lambda: state(3).revision == 2)
            assert state(3).changes[0].after == 0.9
            await until(pilot, lambda: "now reads" in last_line(app))
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


# ---------------------------------------------------------------------------------------------------------------- words


def test_the_edits_of_a_proposal_give_what_is_shown(project: Project) -> None:
    shown = add(project, (REG, Change(path=r"a\.b", before=None, after="ü", created=True)), edits=["*@mul=2"])
    assert edit_lines(shown) == ["ot.loss_config.reg@set=0.16", r'a\.b@new="ü"']
