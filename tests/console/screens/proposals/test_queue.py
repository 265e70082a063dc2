"""What the Proposals screen shows, and how to move in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.model import (
    Actor,
    Change,
    LoopEnd,
    LoopEndKind,
    LoopState,
    Observation,
    Outcome,
    ProposalStatus,
    RoundState,
    RuleRecord,
    RunState,
    Standing,
)

from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.proposals import list as proposal_list
from tests.console.projects import CONFIG, RecordedProject, curve, painted
from tests.console.running import Size
from tests.console.screens.proposals.driving import (
    BATCH,
    LOW,
    REG,
    add,
    all_text,
    base_of,
    console,
    last_line,
    proposals,
    rows,
    see,
)
from tests.console.waiting import settle
from tests.support.calls import calls_of

# -------------------------------------------------------------------------------------------------------- what it shows


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_a_proposal_shows_what_it_changes_why_and_in_which_state_at_every_size(
    project: RecordedProject, size: Size
) -> None:
    author = Actor.rule("ot-mass-low")
    add(project, (REG, BATCH), author=author, reason="OT mass near zero", evidence=LOW, priority=3, revision=2)

    async with console(project, size) as (pilot, app):
        await see(pilot, app)
        head, row, *_ = rows(app, "queue")
        assert head.split()[:3] == ["#", "from", "change"]
        for text in ("pend", "#1", "demo_baseline", "reg 0.1→0.16", "✎2"):
            assert text in row
        assert ("OT mass near" in row) == (size[0] > 80)
        assert ("ot-mass-low" in row) == (size[0] > 120)
        await pilot.press("enter")
        text = "\n".join(rows(app, "text"))
        for part in ("OT mass near zero", "ot.loss_config.reg  0.1 → 0.16", "batch_size           16 → 24"):
            assert part in text
        if size[0] > 80:
            for part in ("l1_loss.last < 1e-3", "2.7e-6 < 0.25", "60 points · steps 5–300 · ± 3.1e-7"):
                assert part in text


async def test_a_narrow_list_gives_its_cells_to_what_changes(project: RecordedProject) -> None:
    add(project, (REG, BATCH), author=Actor.rule("ot-mass-low"), reason="OT mass near zero", evidence=LOW)
    async with console(project, (60, 20)) as (pilot, app):
        await see(pilot, app)
        _, row, *_ = rows(app, "queue")
        assert "reg 0.1→0.16" in row
        assert "ot-mass-low" not in row
        assert "ot-mass-low" in all_text(app)


async def test_the_metric_of_the_base_run_is_drawn_with_the_threshold(project: RecordedProject) -> None:
    add(project, evidence=LOW)

    async with console(project, (120, 40)) as (pilot, app):
        await see(pilot, app)
        await see(pilot, app)
        chart = app.screen.query_one("#chart0", Chart)
        (run,), (threshold,) = chart.lines, chart.levels
        assert (chart.chart_title, run.label, len(run.series)) == ("l1_loss", "demo_baseline", 50)
        assert threshold == (0.25, "< 0.25")
        await pilot.press("l")
        assert chart.chart_title == "eval_l1"
        assert not chart.levels
        await pilot.press("h", "Y")
        assert (chart.chart_title, chart.log_y) == ("l1_loss", True)


async def test_a_threshold_of_a_percentage_is_not_drawn_on_the_axis_of_values(project: RecordedProject) -> None:
    observed = msgspec.structs.replace(LOW.observations[0], name="l1_loss.pct")
    add(project, evidence=msgspec.structs.replace(LOW, observations=[observed]))

    async with console(project, (120, 40)) as (pilot, app):
        await see(pilot, app)
        assert not app.screen.query_one("#chart0", Chart).levels


async def test_a_blocked_proposal_says_why_before_anything_else(project: RecordedProject) -> None:
    add(project, status=ProposalStatus.BLOCKED, blocked="This config has already been run: run x of loop_1.")

    async with console(project) as (pilot, app):
        assert "▲ blocked: This config has already been run: run x of loop_1." in rows(app, "text")[1]
        await pilot.press("a")
        assert "is blocked; edit it first (e)" in last_line(app)
        assert project.commands() == []


async def test_earlier_uses_of_the_rule_are_told_with_what_came_of_them(project: RecordedProject) -> None:
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
    # A person edited it, but the rule that made it still counts.
    add(project, evidence=LOW, author=Actor.person("jo"), round=2)

    async with console(project, (120, 40)) as (pilot, app):
        await pilot.press("enter")
        text = "\n".join(rows(app, "text"))
        uses = text[text.index("other uses of ot-mass-low") :]
        assert uses.index("demo_r2_2  failed: CUDA out of memory") < uses.index("demo_r2_1")
        assert "l1_loss 0.1139 → 0.06478  " in uses
        assert "within the run only" in uses
        assert "eval_l1 0.2129 → 0.9001  " in uses
        assert uses.count("r2 demo") == 2


async def test_the_record_of_the_rule_in_the_project_stands_beside_its_proposal(project: RecordedProject) -> None:
    kept = RuleRecord(rule="ot-mass-low", proposed=8, approved=7, ran=7, better=3, worse=1)
    base = Standing(run="x", value=1.0, runs=1)
    other = Outcome(metric="m", statistic="tail mean", highest=False, baseline=base, first=base, rules=[kept])
    ended = msgspec.structs.replace(project.loop, id=0, name="loop_0", state=LoopState.FINISHED, outcome=other)
    project.store.put_loop(ended)
    project.store.put_proposal(msgspec.structs.replace(add(project, evidence=LOW), loop=0))
    add(project, evidence=LOW, author=Actor.rule("ot-mass-low"), round=1)
    add(project, author=Actor.rule("new-rule"), round=1)

    async with console(project, (120, 40)) as (pilot, app):
        text = " ".join("\n".join(rows(app, "text")).split())
        assert "helped 3 of 7 (95 %: 16–75 %), hurt 1, not enough runs 3 (this project)" in text
        await pilot.press("down")
        text = " ".join("\n".join(rows(app, "text")).split())
        assert "fired 1 time, none of its proposals has run (this project)" in text


async def test_evidence_says_what_a_verdict_rests_on(project: RecordedProject) -> None:
    said = Observation(
        name='better_than_base("eval_l1")',
        value=True,
        op="==",
        threshold=True,
        holds=True,
        words="better: -0.05 (tail mean) [-0.09, -0.01], n 4 and 4, unpaired",
    )
    add(project, evidence=msgspec.structs.replace(LOW, observations=[said]))
    async with console(project, (120, 40)) as (_, app):
        text = " ".join("\n".join(rows(app, "text")).split())
        assert "better: -0.05 (tail mean) [-0.09, -0.01], n 4 and 4, unpaired" in text


async def test_earlier_rounds_are_below_the_current_one_and_headings_are_passed_over(project: RecordedProject) -> None:
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
        ({}, RoundState.RUNNING, "Round 1: 1 of 1 run ended"),
        ({"held": True}, RoundState.DECIDING, "Held: round 2 starts when you press S"),
        (
            {"state": LoopState.FINISHED, "end": LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all done")},
            RoundState.DONE,
            "has finished: all done.",
        ),
        (
            {"state": LoopState.STOPPED, "end": LoopEnd(kind=LoopEndKind.USER, text="stopped by jo")},
            RoundState.RUNNING,
            "stopped by jo; R continues it",
        ),
    ],
)
async def test_the_header_says_what_happens_next(project: RecordedProject, change: Any, round_: Any, said: Any) -> None:
    add(project)
    project.change_loop(**change)
    project.round(1, round_)

    async with console(project) as (_, app):
        assert said in rows(app, "head")[1]
        assert "1 pending" in rows(app, "head")[0]


async def test_the_header_counts_down_to_the_automatic_start(project: RecordedProject) -> None:
    add(project)
    deciding = msgspec.structs.replace(project.store.rounds(1)[0], state=RoundState.DECIDING, decide_by=time.time() + 7500)
    project.store.put_round(deciding)

    async with console(project) as (_, app):
        assert "Round 2 starts in 2h0" in rows(app, "head")[1]
        assert "H holds it" in rows(app, "head")[1]


async def test_the_header_names_what_can_be_done_when_nothing_can_start(project: RecordedProject) -> None:
    add(project, status=ProposalStatus.REJECTED)

    async with console(project) as (_, app):
        assert "Round 2 has nothing to run: propose (v), edit a blocked one (e) or undo (u)." in rows(app, "head")[1]


async def test_an_empty_queue_says_when_proposals_come(project: RecordedProject) -> None:
    project.round(1, RoundState.RUNNING)

    async with console(project) as (pilot, app):
        text = "\n".join(rows(app, "queue"))
        assert "No proposals yet" in text
        assert "when all runs of round 1 have ended" in text
        # Without proposals, no key does any harm.
        await pilot.press(*"jkgGaxeEDAXSYUhlJK", "space", "ctrl+d", "ctrl+u", "enter", "enter")
        assert isinstance(app.screen, ProposalsScreen)
        assert project.commands() == []


async def test_the_words_of_runs_and_rules_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
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


async def test_ascii_only_uses_ascii_glyphs(project: RecordedProject) -> None:
    add(project, (REG, BATCH), evidence=LOW, revision=2)

    async with console(project, (120, 40), ascii_only=True) as (pilot, app):
        await pilot.press("enter")
        assert all_text(app).isascii()
        await pilot.press("e")
        await settle(pilot)
        assert all("".join(painted(pane)).isascii() for pane in app.screen.query("RowPane"))


# --------------------------------------------------------------------------------------------------------------- moving


async def test_enter_shows_the_proposal_alone_and_q_comes_back_to_the_queue(project: RecordedProject) -> None:
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


async def test_a_long_proposal_scrolls(project: RecordedProject) -> None:
    add(project, [Change(path=f"key_{i}", before=i, after=i + 1) for i in range(60)])

    async with console(project) as (pilot, app):
        await pilot.press("J", "J")
        assert " 3–" in rows(app, "text")[0]
        await pilot.press("K", "enter", "ctrl+d")
        assert "rows 2-" not in rows(app, "text")[0]
        await pilot.press("ctrl+u", "ctrl+u", "K")
        assert " 1–" in rows(app, "text")[0]


async def test_new_proposals_are_marked_until_they_were_under_the_cursor_and_nothing_moves(project: RecordedProject) -> None:
    add(project)

    async with console(project) as (pilot, app):
        assert "new" not in rows(app, "queue")[1]
        add(project, (BATCH,))
        await see(pilot, app)
        assert [row[:14].split() for row in rows(app, "queue")[1:3]] == [[">", "#1"], ["#2", "new"]]
        await pilot.press("j")
        assert "new" not in rows(app, "queue")[2]
        await pilot.press("q", "p")
        await settle(pilot)
        assert "new" not in "".join(rows(app, "queue"))


async def test_the_row_under_the_cursor_keeps_its_place_when_a_round_comes_above_it(project: RecordedProject) -> None:
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


async def test_a_click_chooses_a_row(project: RecordedProject) -> None:
    add(project)
    add(project, (BATCH,))

    async with console(project) as (pilot, app):
        await pilot.click("#queue", offset=(20, 2))
        assert proposals(app).cursor == 2
        await pilot.click("#queue", offset=(20, 0))
        assert proposals(app).cursor == 2


async def test_of_five_hundred_proposals_only_the_visible_rows_are_built_and_only_changed_ones_painted(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with project.store.transaction():
        for _ in range(500):
            add(project)
    built = calls_of(monkeypatch, proposal_list, "change_pieces")

    async with console(project, (200, 50)) as (pilot, app):
        titles = rows(app, "queue")[0]
        assert "of 500" in titles
        assert "…" not in titles  # the space taken by the count is left blank
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
