from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from autoloop.model import Series
from rich.cells import cell_len

from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.widgets.chart import Chart
from tests.console.projects import painted
from tests.console.running import Size, show


def series(values: Sequence[float], step: int = 50) -> Series:
    made = Series()
    for index, value in enumerate(values):
        made.append(index * step, value)
    return made


def falling(n: int = 300) -> Any:
    return series([2 * math.exp(-i / 60) + 0.1 for i in range(n)])


def drawn_in(pane: Chart, look: str, rows: Sequence[int]) -> list[str]:
    """Return the rows on the screen, with only the cells in this style."""
    style = pane.look(look)
    return [
        "".join(part.text if part.style == style else " " * part.cell_length for part in pane.render_line(y)) for y in rows
    ]


async def test_it_shows_title_unit_newest_value_ticks_and_both_lines() -> None:
    pane = Chart("eval_l1", "rad")
    async with show(pane):
        pane.set_series([Line("a1 lr", falling(), 2), Line("base 03", falling(200), base=True)])
        text = "\n".join(painted(pane))
        for expected in ("eval_l1", "rad", "0.1137", "━ a1 lr", "╌ base 03", "0.5", "5k"):
            assert expected in text
        for look in ("chart-2", "chart-base"):
            assert "".join(drawn_in(pane, look, range(pane.size.height))).strip()


@pytest.mark.parametrize("size", [(1, 1), (5, 2), (12, 3), (20, 5), (40, 12), (200, 50)])
async def test_every_row_is_exactly_as_wide_as_the_pane(size: Size) -> None:
    pane = Chart("metric with a long name", "unit")
    async with show(pane, size=size):
        base = Line("base", series([math.nan, 1.0, math.inf]), base=True)
        pane.set_series([Line("日本 a very long label", falling()), base])
        assert [cell_len(row) for row in painted(pane)] == [size[0]] * size[1]


async def test_nothing_new_is_neither_drawn_nor_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    pane = Chart("m")
    async with show(pane):
        line = Line("a", falling())
        assert pane.set_series([line], x_high=20_000) > 0
        with monkeypatch.context() as patch:
            patch.setattr(pane, "plot", None)
            assert pane.set_series([line], x_high=20_000) == 0
        line.series.append(15_000, 0.11)
        assert 0 < pane.set_series([line], x_high=20_000) < pane.size.height


async def test_a_line_growing_under_a_fixed_axis_repaints_few_rows() -> None:
    pane = Chart("m")
    async with show(pane):
        line = Line("a", falling(100))
        pane.set_series([line], x_high=20_000)
        line.series.append(5000, line.series.values[-1])
        assert pane.set_series([line], x_high=20_000) <= 2


@pytest.mark.parametrize(
    ("values", "log_y", "said"),
    [([], False, "no points yet"), ([math.nan], False, "no finite value"), ([0.0, -1.0], True, "no positive value")],
)
async def test_without_points_it_says_why(values: Sequence[float], log_y: bool, said: Any) -> None:
    pane = Chart("m", log_y=log_y)
    async with show(pane):
        pane.set_series([Line("a", series(values))])
        assert said in "\n".join(painted(pane))


async def test_the_log_axis_can_be_switched_and_is_said() -> None:
    pane = Chart("m")
    async with show(pane):
        pane.set_series([Line("a", series([10.0**-i for i in range(5)]))])
        linear = painted(pane)
        pane.toggle_log_y()
        assert painted(pane)[-1].lstrip().startswith("log₁₀ ")
        assert painted(pane) != linear
        assert " 0.01 ┤" in "\n".join(painted(pane))
        pane.toggle_log_y()
        assert painted(pane) == linear


async def test_where_labels_do_not_fit_the_title_and_the_colours_stay() -> None:
    pane = Chart("loss")
    async with show(pane, size=(28, 8)):
        pane.set_series([Line("a rather long label", falling(), 3), Line("another long one", falling(), base=True)])
        assert "loss" in painted(pane)[0]
        assert "━" in painted(pane)[0]
        assert "╌" in painted(pane)[0]


async def test_a_label_is_cut_in_the_middle_as_variants_differ_at_the_end() -> None:
    pane = Chart("loss")
    async with show(pane, size=(60, 8)):
        pane.set_series([Line(f"act_regularised_r2_{number}", falling(), number) for number in (3, 4)])
        assert "_r2_3" in painted(pane)[0]
        assert "_r2_4" in painted(pane)[0]


async def test_the_title_says_since_when_there_is_no_number() -> None:
    pane = Chart("loss")
    async with show(pane):
        pane.set_series([Line("a", series([1.0, 0.5, math.nan, math.nan]))])
        assert "loss NaN since step 100" in painted(pane)[0]
        assert "NaN" in drawn_in(pane, "bold slot-failed", [0])[0]


async def test_in_ascii_mode_all_of_it_is_ascii() -> None:
    pane = Chart("m")
    async with show(pane, ascii_only=True):
        pane.set_series([Line("a", falling()), Line("b", falling(50), base=True)])
        assert "".join(painted(pane)).isascii()


async def test_a_hidden_chart_draws_nothing_until_it_is_seen() -> None:
    pane = Chart("m")
    async with show(pane) as pilot:
        pane.display = False
        await pilot.pause()
        assert pane.set_series([Line("a", falling())]) == 0
        pane.display = True
        await pilot.pause()
        assert "0.1137" in painted(pane)[0]


async def test_a_spike_and_a_gap_of_a_long_run_are_seen() -> None:
    pane = Chart("m")
    async with show(pane):
        values = [1.0] * 20_000
        values[5000] = 30.0
        values[10_000:12_000] = [math.nan] * 2000
        pane.set_series([Line("a", series(values, 1))])
        plot = drawn_in(pane, "chart-1", range(pane.size.height))
        assert plot[3].strip()  # Near the top, there is only the spike.
        # In the gap, there is no dot of the line.
        middle = range(int(80 * 0.54), int(80 * 0.6))
        assert not any(row[x : x + 1].strip() for row in plot[1:] for x in middle)
