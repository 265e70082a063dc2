"""Many charts in one pane: as many as fit; the others by moving, paging and filtering."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from autoloop.model import Series
from rich.cells import cell_len
from textual.pilot import Pilot

from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.present.charts.panel import Panel
from autoloop_tui.console.widgets.chart_grid import ChartGrid
from tests.console.projects import painted
from tests.console.running import Size, show

NAMES = {f"train/group{n // 8}/metric_w{n}": f"group{n // 8}/metric_w{n}" for n in range(60)}


def series(values: Sequence[float], step: int = 10) -> Series:
    made = Series()
    for index, value in enumerate(values):
        made.append(index * step, value)
    return made


class Curves:
    """Creates the panels and records the metrics for which it was called."""

    def __init__(self) -> None:
        curve = series([math.exp(-i / 20) for i in range(100)])
        self.lines = [Line("this run", curve, letter="d"), Line("base", series([0.5] * 90), base=True, letter="a")]
        self.asked: list[str] = []

    def panel(self, name: str) -> Panel:
        self.asked.append(name)
        return Panel(NAMES[name], self.lines, facts=[(0, ("0.007083", "")), (2, ("-0.5@990", "")), (1, ("±0.001", "dim"))])


def filled(pane: ChartGrid, names: Mapping[str, str] = NAMES) -> Curves:
    made = Curves()
    pane.show_panels(names, made.panel)
    pane.focus()
    return made


async def typed(pilot: Pilot[Any], text: str) -> None:
    await pilot.press(*text)
    await pilot.pause()


@pytest.mark.parametrize(("size", "shown"), [((80, 24), 2), ((120, 40), 9), ((200, 50), 20), ((30, 8), 1), ((3, 2), 1)])
async def test_as_many_charts_as_fit_and_only_those_are_made(size: Size, shown: int) -> None:
    pane = ChartGrid()
    async with show(pane, size=size):
        curves = filled(pane)
        assert pane.in_sight == list(NAMES)[:shown]
        assert set(curves.asked) == set(pane.in_sight)
        rows = painted(pane)
        assert [cell_len(row) for row in rows] == [size[0]] * size[1]
        if size[0] > 20:
            assert f"1 of 60, {shown} shown" in rows[-1]


async def test_few_charts_share_all_of_the_pane() -> None:
    pane = ChartGrid()
    async with show(pane, size=(120, 40)):
        filled(pane, dict(list(NAMES.items())[:4]))
        assert sum("metric_w" in row for row in painted(pane)[:-1]) == 2
        assert "1 of 4 " in painted(pane)[-1]


async def test_keys_walk_page_and_jump_and_the_focus_stays_in_sight() -> None:
    pane = ChartGrid()
    async with show(pane, size=(120, 40)) as pilot:
        filled(pane)
        at = []
        for key in ("l", "j", "h", "k", "k", "h", "ctrl+d", "G", "l", "ctrl+u", "g"):
            await pilot.press(key)
            assert pane.chosen in pane.in_sight
            at.append(list(NAMES).index(pane.chosen or ""))
        assert at == [1, 4, 3, 0, 0, 0, 9, 59, 59, 50, 0]


async def test_a_regular_expression_filters_while_it_is_typed_and_esc_takes_it_back() -> None:
    pane = ChartGrid()
    async with show(pane) as pilot:
        filled(pane)
        await typed(pilot, "/")
        await typed(pilot, "w[12]$")
        assert len(pane.names) == 2
        assert "2 of 60 metrics" in painted(pane)[-2]
        await typed(pilot, "(")
        assert len(pane.names) == 2
        assert "missing )" in painted(pane)[-2]
        await pilot.press("backspace", "enter")
        assert pane.has_focus
        assert len(pane.names) == 2
        await typed(pilot, "/")
        await typed(pilot, "x")
        assert "no metric of 60 matches w[12]$x" in "\n".join(painted(pane))
        await pilot.press("escape")
        await pilot.pause()
        assert len(pane.names) == 2
        await pilot.press("escape")
        assert len(pane.names) == 60


async def test_enter_zooms_and_esc_first_hides_the_cursor_then_the_zoom() -> None:
    pane = ChartGrid()
    async with show(pane) as pilot:
        filled(pane)
        await pilot.press("l", "enter", "comma", "comma")
        assert pane.in_sight == [list(NAMES)[1]]
        assert pane.cursor == 980
        last = painted(pane)[-1]
        assert "@980" in last
        assert "d 0.007447" in last
        assert "a 0.5" in last
        await pilot.press("full_stop", "full_stop", "escape")
        assert (pane.cursor, pane.zoomed) == (None, True)
        await pilot.press("escape")
        assert not pane.zoomed


async def test_moving_the_focus_draws_no_curve_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    pane = ChartGrid()
    async with show(pane, size=(120, 40)) as pilot:
        filled(pane)
        monkeypatch.setattr(pane, "_plot", None)
        await pilot.press("l", "j")
        assert painted(pane)[11 + 2].index("▌") == 40


async def test_a_long_name_gives_way_in_its_middle_and_no_number_is_cut() -> None:
    pane = ChartGrid()
    async with show(pane, size=(80, 24)):
        filled(pane)
        head = painted(pane)[0][:40]
        assert head.startswith("▌ group0/metric_w0 0.007083 -0.5@990 ")
    narrow = ChartGrid()
    async with show(narrow, size=(24, 12)):
        filled(narrow)
        assert painted(narrow)[0].startswith("▌ group0/…_w0 0.007083 ")


async def test_a_click_gives_the_focus_and_a_second_one_zooms() -> None:
    pane = ChartGrid()
    async with show(pane, size=(120, 40)) as pilot:
        filled(pane)
        await pilot.click(pane, offset=(50, 20))
        assert pane.chosen == list(NAMES)[4]
        await pilot.click(pane, offset=(50, 20))
        assert pane.zoomed
