"""Rounds: what is shown of each round and run."""

from __future__ import annotations

import time
from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from autoloop.metrics import default_book, summarise
from autoloop.model import (
    RunState,
    Series,
)
from autoloop.verdicts import Call

from autoloop_tui.console.present.compare.comparison import compare_metrics
from autoloop_tui.console.present.metric_delta import against
from autoloop_tui.console.screens.rounds import browsing
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import NOW, RecordedProject, history, output_of, painted
from tests.console.running import at_each
from tests.console.screens.rounds.driving import family, metrics, on_rounds, shown_runs, table_rows
from tests.console.waiting import settle, until

SIZES = [(80, 24), (120, 40), (200, 50)]


EVAL = "eval/offline_eval/avg_l1"


def points(*pairs: Any) -> Series:
    return Series(array("q", [step for step, _ in pairs]), array("d", [value for _, value in pairs]))


async def test_every_run_is_under_its_round_with_the_newest_round_first(project: RecordedProject) -> None:
    base, failed, better, queued = family(project)

    async with on_rounds(project) as (_, screen):
        assert isinstance(screen, RoundsScreen)
        assert shown_runs(screen) == [queued.id, better.id, base.id, failed.id]
        heads = [row for row in table_rows(screen) if "round " in row]
        assert [row.split("round ")[1][0] for row in heads] == ["3", "2", "1"]


async def test_the_head_of_a_round_tells_its_runs_which_config_stands_first_and_the_decisions(
    project: RecordedProject,
) -> None:
    family(project)

    async with on_rounds(project, size=(160, 40)) as (_, screen):
        second, first = (row for row in table_rows(screen) if "round 2" in row or "round 1" in row)
        assert "1/2 ok 1 failed" in first
        assert "edits 1 approved 1 rejected" in first
        assert "lowest tail mean eval_l1 0.2" in second
        assert " -0.29" in second  # 0.2 compared with the baseline's 0.5
        assert "by act_base_r2_1, not shown better" in second  # only one seed
        assert "★" not in second
        assert "by act_base, the baseline" in first


async def test_a_row_shows_state_origin_steps_metric_change_attempts_time_and_reason(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, size=(200, 50)) as (_, screen):
        rows = table_rows(screen)
        better = next(row for row in rows if "✓ finished act_base_r2_1" in row)
        assert "act_base #1 more-transport" in better
        assert " 200 " in better
        assert "-0.3" in better or "-0.29" in better
        assert "5m00s" in better
        failed = next(row for row in rows if "act_big" in row)
        assert "✗ failed" in failed
        assert "CUDA" in failed
        assert " 76 " in failed
        assert " 2 " in failed


async def test_it_paints_at_any_size_and_never_past_the_edge(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        async for width, _ in at_each(pilot, [*SIZES, (1, 1), (30, 6)]):
            assert screen.query_one(Table).size.width == width
            for row in painted(screen.query_one(Table)):
                assert len(row) == width
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        assert any("act_big" in row for row in table_rows(screen))


async def test_where_a_run_came_from_outlasts_its_id_steps_and_trend(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        async for width, _ in at_each(pilot, [(width, 30) for width in (140, 120)]):
            assert any("#1 more-transport" in row for row in table_rows(screen)), width
            assert any("✓ finished" in row for row in table_rows(screen)), width  # in words that fit


async def test_the_line_below_tells_where_the_run_under_the_cursor_came_from(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, size=(160, 40)) as (pilot, screen):
        below = " ".join(painted(screen.query_one("#lineage", RowPane)))
        assert "act_base_r3_1 (run00004) ◌ queued" in below
        assert "act_base ← act_base_r2_1 (more-transport: lambda_ot 0.1→0.15) ← act_base_r3_1" in below
        await pilot.press("G")
        await settle(pilot)
        below = " ".join(painted(screen.query_one("#lineage", RowPane)))
        assert "✗ failed: CUDA out of memory" in below
        assert "baseline, unchanged" in below


async def test_a_project_without_runs_says_what_will_be_here(project: RecordedProject) -> None:
    async with on_rounds(project) as (pilot, screen):
        assert any("no run yet" in row for row in table_rows(screen))
        for key in ("j", "G", "enter", "space", "t", "v", "o"):
            await pilot.press(key)
        assert screen.query_one(Table).cursor is None


async def test_hostile_names_and_reasons_are_shown_without_what_a_terminal_would_act_on(project: RecordedProject) -> None:
    name, reason = "a\x1b[31m[bold]x[/]\u202e宽\t字\n", "\x1b[2J[link]" + "r" * 9999
    project.run(name, RunState.FAILED, id="evil\x1b]0;", reason=reason)

    async with on_rounds(project) as (pilot, screen):
        text = "".join(row for pane in screen.query(RowPane) for row in painted(pane))
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "a[31m[bold]x[/]宽 字" in text
        await pilot.press("space", "slash", "[", "]", "enter", "o", "O")
        await settle(pilot)


async def test_a_running_run_shows_what_it_has_reached_so_far(project: RecordedProject) -> None:
    project.run("going", RunState.RUNNING, metrics=metrics(0.31))

    with project.engine():
        async with on_rounds(project) as (pilot, screen):

            def row() -> Any:
                return next(row for row in table_rows(screen) if "going" in row and "▶" in row)

            await until(pilot, lambda: "0.3" in row(), "what it has reached")


async def test_a_running_run_moves_among_the_others_as_its_time_passes_theirs(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = project.run("going", RunState.RUNNING, metrics=metrics(0.31))
    slow = project.run("slow", ended_at=NOW + 3600)
    later = 0.0
    monkeypatch.setattr(browsing, "time", SimpleNamespace(time=lambda: time.time() + later, monotonic=time.monotonic))

    with project.engine():
        async with on_rounds(project) as (pilot, screen):
            screen.sort = "took"
            await until(pilot, lambda: any("0.3" in row for row in table_rows(screen)), "what it has reached")
            await pilot.press("O", "O")  # reversed twice, so sorted by it
            await settle(pilot)
            assert shown_runs(screen) == [slow.id, going.id]
            later = 36000.0
            history(output_of(going), metrics(0.29, n=60))
            await until(pilot, lambda: shown_runs(screen) == [going.id, slow.id], "the other order")


async def test_a_running_run_is_compared_with_its_base_at_the_step_it_has_reached(project: RecordedProject) -> None:
    base = project.run("base", metrics={EVAL: points((50, 0.9), (100, 0.6), (200, 0.3))})
    project.run("going", RunState.RUNNING, base=base, metrics={EVAL: points((50, 0.9), (100, 0.58))})

    with project.engine():
        async with on_rounds(project) as (pilot, screen):

            def row() -> Any:
                return next(row for row in table_rows(screen) if "going" in row and "▶" in row)

            await until(pilot, lambda: "-0.02" in row(), "the change")


def test_of_runs_that_ended_at_different_steps_none_is_called_better() -> None:
    early, late = (summarise({EVAL: points(each)}, default_book()).metrics[EVAL] for each in ((100, 0.6), (200, 0.4)))
    delta = against(early, late)
    assert (delta.fair, delta.call, delta.words) == (False, Call.NOT_ENOUGH, "not at equal steps")
    assert against(late, early).piece(9) == ("-0.2", "dim")
    assert compare_metrics([{EVAL: early}, {EVAL: late}], default_book())[0].first is None


async def test_ascii_glyphs_are_used_everywhere_when_asked_for(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, ascii_only=True) as (_, screen):
        for row in [*table_rows(screen), *painted(screen.query_one("#lineage", RowPane))]:
            assert row.isascii(), row
