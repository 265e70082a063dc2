"""Any terminal size, very many values, and hostile values."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autoloop_tui.console.present.compare.cells import ComparisonPainter
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import RecordedProject, curve, painted
from tests.console.running import at_each
from tests.console.screens.compare.driving import L1, SIZES, config, metrics, on_compare, text_of, three
from tests.console.waiting import settle
from tests.support.calls import calls_of


@pytest.mark.parametrize("runs", [1, 6])
async def test_up_to_six_runs_fit_any_size(project: RecordedProject, runs: Any) -> None:
    names = ["act_a_rather_long_name_of_a_config_r4_", "宽字_"]
    made = [
        project.run(names[n % 2] + str(n), config=config(seed=n, note=f"text {n}" * n), metrics=metrics(0.1 * n + 0.1))
        for n in range(runs)
    ]

    def cells(row: str) -> int:
        return len(row.replace("宽", "宽 ").replace("字", "字 "))

    async with on_compare(project, marked=[run.id for run in made]) as (pilot, screen):
        async for _ in at_each(pilot, [*SIZES, (1, 1), (30, 8)]):
            for _part in range(4):
                for pane in screen.query(RowPane):
                    if pane.is_on_screen and pane.size.width:
                        assert {cells(row) for row in painted(pane)} <= {pane.size.width}
                await pilot.press("tab")
                await settle(pilot)
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        assert any("eval_l1" in row for row in text_of(screen, "#metrics"))


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        (24, ["parameters metrics", "metrics chart", "chart", "parameters metrics"]),
        (16, ["parameters", "metrics", "chart", "parameters"]),
    ],
)
async def test_on_a_narrow_screen_tab_goes_through_the_parts_and_the_next_has_the_rows_that_one_leaves(
    project: RecordedProject, rows: int, parts: list[str]
) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(80, rows)) as (pilot, screen):
        seen = []
        for _ in range(4):
            names = ("parameters", "metrics", "chart")
            seen.append(" ".join(name for name in names if screen.query_one(f"#{name}").is_on_screen))
            await pilot.press("tab")
            await settle(pilot)
        assert seen == parts


async def test_on_a_wide_screen_everything_is_there_and_tab_moves_the_keys(project: RecordedProject) -> None:
    marked = three(project)

    for size in SIZES[1:]:
        async with on_compare(project, marked=marked, size=size) as (pilot, screen):
            for name in ("parameters", "metrics", "chart"):
                assert screen.query_one(f"#{name}").size.height >= 5
            await pilot.press("j", "tab", "j")
            assert screen.query_one("#parameters", Table).cursor == screen.query_one("#parameters", Table).keys[1]
            assert screen.query_one("#metrics", Table).cursor == L1


async def test_the_line_below_gives_the_values_under_the_cursor_in_full(project: RecordedProject) -> None:
    long = "x" * 60
    marked = [project.run("one").id, project.run("two", config=config(policy__type=long)).id]

    async with on_compare(project, marked=marked) as (pilot, screen):
        assert text_of(screen, "#detail")[0] == f' policy.type  a "act"  b "{long}"'
        await pilot.press("tab")
        await settle(pilot)
        assert "lower is better" in text_of(screen, "#detail")[0]


async def test_two_thousand_parameters_are_all_there_and_only_the_window_is_painted(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = {f"block{n // 50}": {f"key_{m}": m for m in range(n - n % 50, n - n % 50 + 50)} for n in range(0, 2000, 50)}
    other = copy.deepcopy(big)
    other["block7"]["key_351"] = -1
    marked = [project.run("one", config=big).id, project.run("two", config=other).id]

    async with on_compare(project, marked=marked) as (pilot, screen):
        assert "1 of 2000 differ" in text_of(screen, "#parameters")[0]
        await pilot.press("d")
        await settle(pilot)
        asked = calls_of(monkeypatch, ComparisonPainter, "parameter")
        table = screen.query_one("#parameters", Table)
        await pilot.press("G", "ctrl+u", "g", "ctrl+d")
        assert len(table.keys) == 2000
        assert 0 < len(asked) <= 4 * 50
        await pilot.press("G")
        assert table.cursor == "block39.key_1999"


async def test_hostile_names_and_values_are_shown_without_what_a_terminal_would_act_on(project: RecordedProject) -> None:
    evil = "\x1b[31m[bold]\u202e宽\n"
    odd = config(policy__type=evil, extra={evil: evil})
    marked = [
        project.run("n" + evil, config=odd, metrics={f"train/{evil}": curve()}).id,
        project.run("two").id,
    ]

    for size in SIZES:
        async with on_compare(project, marked=marked, size=size) as (pilot, screen):
            for _ in range(3):
                text = "".join(row for pane in screen.query(RowPane) for row in painted(pane))
                assert "\x1b" not in text
                assert "\u202e" not in text
                await pilot.press("tab", "l")
                await settle(pilot)
            await pilot.press("l", "l")


async def test_ascii_glyphs_are_used_everywhere_when_asked_for(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, ascii_only=True) as (_, screen):
        for name in ("#legend", "#parameters", "#metrics", "#chart", "#detail"):
            for row in text_of(screen, name):
                assert row.isascii(), row
