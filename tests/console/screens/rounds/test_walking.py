"""Rounds: moving over rows, marking, and the keys that act on the run under the cursor."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from autoloop.model import (
    Round,
    RoundState,
    RunState,
    Summary,
)
from autoloop.protocol import Propose, Retry, Variant

from autoloop_tui.console.present.rounds.cells import RunPainter
from autoloop_tui.console.screens.proposals.screen import ProposalsScreen
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.widgets.table import Table
from tests.console.pictures import text
from tests.console.projects import NOW, RecordedProject, painted
from tests.console.screens.rounds.driving import family, on_rounds, shown_runs, table_rows
from tests.console.waiting import has_quit, settle
from tests.support.calls import calls_of


async def test_keys_move_over_the_heads_of_rounds(project: RecordedProject) -> None:
    base, failed, better, queued = family(project)

    async with on_rounds(project) as (pilot, screen):
        table = screen.query_one(Table)
        places = []
        for key in ("g", "j", "down", "k", "up", "G", "g", "ctrl+d", "ctrl+u", "end", "home", "pagedown", "pageup"):
            await pilot.press(key)
            places.append(table.cursor)
        assert places[:7] == [queued.id, better.id, base.id, better.id, queued.id, failed.id, queued.id]
        assert places[7:] == [failed.id, queued.id, failed.id, queued.id, failed.id, queued.id]


async def test_the_cursor_stays_on_its_run_and_on_its_line_when_rows_appear_above_it(project: RecordedProject) -> None:
    for number in range(60):
        project.run(f"r{number}", RunState.STOPPED)

    async with on_rounds(project, size=(80, 24)) as (pilot, screen):
        table = screen.query_one(Table)
        for _ in range(30):
            await pilot.press("j")
        run = table.cursor
        line = next(y for y, row in enumerate(painted(table)) if row.startswith("›"))
        project.round(2)
        project.run("new", RunState.QUEUED, round=2)
        pilot.app.tick()
        await settle(pilot)
        assert len(shown_runs(screen)) == 61
        assert table.cursor == run
        assert next(y for y, row in enumerate(painted(table)) if row.startswith("›")) == line


async def test_h_and_l_bring_other_key_metrics_into_a_narrow_table(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, size=(80, 24)) as (pilot, screen):
        seen = []
        for key in ("l", "l", "h", "left", "right"):
            await pilot.press(key)
            seen.append(next(n for n in ("eval_l1", "l1_loss", "ot_pi_sum") if f" {n} " in table_rows(screen)[0]))
        assert seen == ["l1_loss", "ot_pi_sum", "l1_loss", "eval_l1", "l1_loss"]


async def test_space_marks_at_most_six_runs_and_says_when_there_are_more(project: RecordedProject) -> None:
    for number in range(8):
        project.run(f"run_{number}", RunState.STOPPED)

    async with on_rounds(project) as (pilot, screen):
        for _ in range(6):
            await pilot.press("space", "j")
        await pilot.press("space")
        await settle(pilot)
        assert len(pilot.app.marked) == 6
        assert "6 runs can be compared at most" in "".join(painted(screen.query_one("#hints")))
        assert "6 marked" in table_rows(screen)[0]
        assert [row[2:4].strip() for row in painted(screen.query_one(Table)) if "run_" in row][:6] == list("abcdef")
        await pilot.press("g", "space")
        assert len(pilot.app.marked) == 5


async def test_enter_opens_the_run_and_q_comes_back_to_the_same_row(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("j", "enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen
        assert screen.query_one(Table).cursor == "run00003"


async def test_t_asks_the_engine_to_retry_the_run_under_the_cursor(project: RecordedProject) -> None:
    _, failed, *_ = family(project)

    with project.engine():
        async with on_rounds(project) as (pilot, screen):
            await pilot.press("G", "t")
            await settle(pilot)
            assert project.commands() == [Retry(run=failed.id)]
            assert f"autoloop-tui retry {failed.id}" in "".join(painted(screen.query_one("#hints")))


async def test_v_proposes_a_variant_of_the_run_under_the_cursor(project: RecordedProject) -> None:
    base, *_ = family(project)
    project.change_loop(spec=msgspec.structs.replace(project.loop.spec, rounds=4))

    with project.engine():
        async with on_rounds(project) as (pilot, _):
            await pilot.press("j", "j", "v")
            await settle(pilot)
            await pilot.press(*"ot.lambda_ot=0.3", "enter", "enter", *"try", "enter", "enter", "enter")
            await settle(pilot)
            assert project.commands() == [
                Propose(run=base.id, variants=[Variant(edits=["ot.lambda_ot@set=0.3"], reason="try")])
            ]


async def test_a_command_without_an_engine_is_refused_with_the_key_that_helps(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("G", "t")
        assert "press R" in "".join(painted(screen.query_one("#hints")))
        assert project.commands() == []


async def test_what_a_key_says_outlasts_the_details_of_the_run_that_were_still_to_be_painted(
    project: RecordedProject,
) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("j")
        screen.query_one(Table).go_to(screen.query_one(Table).keys[0])
        await pilot.press("t")
        await settle(pilot)
        assert "can be retried" in "".join(painted(screen.query_one("#hints")))
        await pilot.press("j")
        assert "can be retried" not in "".join(painted(screen.query_one("#hints")))


async def test_the_last_line_shows_the_command_for_the_run_under_the_cursor(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("j")
        await settle(pilot)
        assert "$ autoloop-tui logs run00003" in "".join(painted(screen.query_one("#hints")))


async def test_five_thousand_runs_are_all_there_and_only_the_window_is_painted(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = project.run("base")
    assert base.summary is not None
    with project.store.transaction():
        for number in range(1, 101):
            project.store.put_round(
                Round(loop=project.loop.id, number=number, state=RoundState.DONE, started_at=NOW, ended_at=NOW + 60)
            )
        for number in range(5000):
            last = {
                name: msgspec.structs.replace(metric, last=metric.last + number)
                for name, metric in base.summary.metrics.items()
            }
            summary = Summary(metrics=last, steps=200)
            project.store.put_run(
                msgspec.structs.replace(
                    base,
                    id=f"m{number:05d}",
                    name=f"many_{number}",
                    position=number + 1,
                    base_run=base.id,
                    round=1 + number // 50,
                    summary=summary,
                    output_dir=None,
                )
            )

    async with on_rounds(project) as (pilot, screen):
        made = calls_of(monkeypatch, RunPainter, "row")
        await pilot.press("j", "ctrl+d", "G", "g")
        await settle(pilot)
        assert 0 < len(made) <= 4 * 60
        assert "1 of 5 001" in table_rows(screen)[0]
        assert shown_runs(screen)[0] == "m04950"
        await pilot.press("slash", *"eval_l1<3", "enter")
        await settle(pilot)
        assert set(shown_runs(screen)) == {base.id, "m00000", "m00001", "m00002"}


async def test_a_click_chooses_a_row_and_the_wheel_moves(project: RecordedProject) -> None:
    _, failed, _, queued = family(project)

    async with on_rounds(project) as (pilot, screen):
        table = screen.query_one(Table)
        y = next(y for y, row in enumerate(painted(table)) if "act_big" in row)
        await pilot.click(Table, offset=(10, y))
        assert table.cursor == failed.id
        table.post_message(scroll_up(table))
        await settle(pilot)
        assert table.cursor == queued.id


def scroll_up(widget: Any) -> Any:
    from textual.events import MouseScrollUp

    return MouseScrollUp(widget, 1, 1, 0, -1, 0, False, False, False)


async def test_rounds_and_proposals_are_found_as_they_were_left_with_what_is_new_since(project: RecordedProject) -> None:
    base, failed, *_ = family(project)
    first = project.proposal(base)
    second = project.proposal(base)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("G", "m")
        await pilot.press("p")
        await settle(pilot)
        proposals = pilot.app.screen
        assert isinstance(proposals, ProposalsScreen)
        await pilot.press("G")
        chosen = proposals.rows.proposal
        assert chosen is not None
        await pilot.resize_terminal(160, 50)
        project.run("act_new", RunState.QUEUED, base=base, round=3)
        project.proposal(base, reason="a third one")
        pilot.app.tick()
        await pilot.press("r")
        await settle(pilot)
        assert pilot.app.screen is screen
        assert screen.table.cursor == failed.id
        assert any("act_new" in row for row in table_rows(screen))
        assert max(map(len, painted(screen.query_one(Table)))) > 130
        await pilot.press("p")
        await settle(pilot)
        assert pilot.app.screen is proposals
        assert proposals.rows.proposal == chosen
        assert {first.id, second.id} <= {each.id for each in proposals.rows.queue.entries if not isinstance(each, int)}
        assert "a third one" in text(pilot.app)
        await pilot.press("q")
        await pilot.press("q")
        assert has_quit(pilot.app)
