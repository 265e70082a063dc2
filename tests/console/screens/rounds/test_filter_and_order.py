"""Rounds: the filter, and the order of the rows."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.metrics import default_book
from autoloop.model import (
    RunState,
)

from autoloop_tui.console.present.rounds.filter import parse_filter
from autoloop_tui.console.present.rounds.rows import LoopRuns, RunRows, ordered
from autoloop_tui.console.screens.letter_menu import LetterMenu
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.widgets.rounds.filter_line import FilterLine
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import NOW, RecordedProject
from tests.console.screens.rounds.driving import family, on_rounds, shown_runs, table_rows
from tests.console.waiting import settle


async def test_the_filter_acts_while_one_types_is_kept_by_enter_and_cleared_by_an_empty_line(
    project: RecordedProject,
) -> None:
    failed = family(project)[1]

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("slash", *"memory")
        await settle(pilot)
        assert screen.query_one(FilterLine).display
        assert shown_runs(screen) == [failed.id]
        await pilot.press("enter")
        await settle(pilot)
        assert not screen.query_one(FilterLine).display
        assert "filter: memory" in table_rows(screen)[0]
        await pilot.press("slash", *["backspace"] * 6, "enter")
        await settle(pilot)
        assert len(shown_runs(screen)) == 4
        assert "filter" not in table_rows(screen)[0]


async def test_giving_up_the_filter_brings_the_earlier_one_back(project: RecordedProject) -> None:
    base, *_ = family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("slash", *"finished", "enter", "slash", *" nothing")
        await settle(pilot)
        assert shown_runs(screen) == []
        assert any("no run matches" in row for row in table_rows(screen))
        await pilot.press("escape")
        await settle(pilot)
        assert screen.filter.text == "finished"
        assert base.id in shown_runs(screen)
        assert isinstance(pilot.app.screen, RoundsScreen)


def row_of(project: RecordedProject, *runs: Any) -> Any:
    known = RunRows()
    known.update([LoopRuns(project.loop, project.store.rounds(project.loop.id), list(runs), [])])
    return known


def test_a_filter_takes_words_and_comparisons_together(project: RecordedProject) -> None:
    base, failed, better, queued = family(project)
    known = row_of(project, base, failed, better, queued)
    book = default_book()

    def matched(text: str) -> Any:
        asked = parse_filter(text, book, known.metric_names())
        return {run for run, row in known.rows.items() if asked.matches(row)}

    assert matched("ot_pi_sum>0.6") == {better.id}
    assert matched("eval_l1>=0.1 train/ot_pi_sum<0.6") == {base.id}
    assert matched("FINISHED round=1") == {base.id}
    assert matched("steps!=200") == {failed.id, queued.id}
    assert matched(queued.id) == {queued.id}
    assert matched("act_base_r3 base_r3") == {queued.id}
    assert len(matched("")) == 4


async def test_escape_clears_the_filter_before_it_leaves_the_screen(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("slash", *"nothing", "enter")
        await settle(pilot)
        assert any("esc clears the filter" in row for row in table_rows(screen))
        await pilot.press("escape")
        await settle(pilot)
        assert len(shown_runs(screen)) == 4
        assert pilot.app.screen is screen
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen is not screen


async def test_o_sorts_by_the_letter_of_a_column_from_the_top_and_capital_o_reverses(project: RecordedProject) -> None:
    base, _, better, queued = family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("G", "o")
        await settle(pilot)
        menu = pilot.app.screen
        assert isinstance(menu, LetterMenu)
        assert len(set(menu.letters)) == len(menu.entries)
        assert {"best", "last", "vs base", "run", "took"} <= {text for _, text in menu.entries}
        await pilot.press(menu.letters[[key for key, _ in menu.entries].index("last")])
        await settle(pilot)
        assert "by last" in table_rows(screen)[0]
        assert "last▼" in table_rows(screen)[1].replace("last ▼", "last▼")
        assert shown_runs(screen)[:2] == [better.id, base.id]
        assert screen.query_one(Table).cursor == better.id
        assert not [row for row in table_rows(screen) if "── round" in row]
        await pilot.press("O")
        await settle(pilot)
        assert shown_runs(screen)[:2] == [base.id, better.id]
        assert "▲" in table_rows(screen)[1]
        await pilot.press("o", "escape")
        await settle(pilot)
        assert screen.sort == "last"
        await pilot.press("o", "r")
        await settle(pilot)
        assert shown_runs(screen)[0] == queued.id


@pytest.mark.parametrize("column", ["round", "state", "name", "id", "from", "steps", "tries", "took", "reason"])
@pytest.mark.parametrize("reverse", [False, True])
def test_every_column_orders_every_run_and_puts_those_without_a_value_last(
    project: RecordedProject, column: str, reverse: bool
) -> None:
    runs = family(project)
    rows = ordered(row_of(project, *runs).rows.values(), column, reverse=reverse, book=default_book(), now=NOW)
    assert {row.run.id for row in rows} == {run.id for run in runs}
    if column == "reason":
        assert rows[0].run.reason
    if column == "took":
        assert rows[-1].run.state is RunState.QUEUED
