"""Charts as text: the visible lines, base, band, threshold and gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from autoloop.model import Series

from autoloop_tui.console.drawing.backdrop import Band, Level
from autoloop_tui.console.drawing.glyphs import ASCII, ASCII_BLOCKS, UNICODE, Glyphs
from autoloop_tui.console.drawing.lines import Line, nan_since
from autoloop_tui.console.drawing.plot import plot, scale_of


def series(values: Sequence[float], step: int = 10) -> Series:
    made = Series()
    for index, value in enumerate(values):
        made.append(index * step, value)
    return made


def chart(
    *lines: Line,
    levels: Sequence[Level] = (),
    size: tuple[int, int] = (24, 6),
    glyphs: Glyphs = UNICODE,
    log_y: bool = False,
    filled: bool = False,
) -> list[list[tuple[str, str]]]:
    scale = scale_of(lines, levels, log_y=log_y)
    assert scale is not None
    return plot(lines, scale, *size, glyphs=glyphs, levels=levels, filled=filled)


def text(rows: Any) -> str:
    return "\n".join("".join(part for part, _ in row).rstrip() for row in rows)


def looks_of(rows: Any, character: str) -> set[str]:
    return {look for row in rows for part, look in row if character in part}


FALLING = Line("run", series([1.0, 0.5, 0.25, 0.125, 0.0]))
FLAT = Line("base", series([0.5] * 5), base=True)


def test_a_line_over_a_dashed_base_with_a_free_cell_on_the_right() -> None:
    shown = """\
1.0 ┤⠑⢄
    │  ⠑⡄
0.5 ┤╌╌╌⠈⠢⢄⡀╌╌╌╌╌╌╌╌╌╌╌
    │      ⠈⠑⠢⢄⣀⡀
0.0 ┤           ⠈⠉⠒⠒⠤⠤⣀
     0       20      40"""
    assert text(chart(FALLING, FLAT)) == shown
    assert looks_of(chart(FALLING, FLAT), "╌") == {"chart-base"}


def test_the_steepest_part_of_a_dashed_line_has_no_hole() -> None:
    jump = Line("base", series([0.0] * 20 + [1.0] * 20), base=True)
    columns = list(zip(*(row.ljust(24) for row in text(chart(jump)).splitlines()[:-1]), strict=True))[5:-1]
    rows = [{y for y, cell in enumerate(column) if cell in "╌╎"} for column in columns]
    for before, after in pairwise(rows):
        assert not before or not after or min(abs(a - b) for a in before for b in after) <= 1


def test_a_threshold_is_a_named_line_within_the_axes() -> None:
    rows = chart(FALLING, levels=[Level(1.5, "> 1.5")])
    named = next(row for row in text(rows).splitlines() if "> 1.5" in row)
    assert named.endswith("┄ > 1.5 ┄┄")
    assert looks_of(rows, "> 1.5") == {"slot-warn"}


def test_steps_without_numbers_at_the_end_are_hatched() -> None:
    gone = series([1.0, 0.5, 0.25, math.nan, math.nan])
    assert nan_since(gone) == 30
    rows = chart(Line("run", gone))
    assert looks_of(rows, "╱") == {"slot-failed"}
    assert all(row.endswith("╱" * 5) and "╱╱╱╱╱╱╱╱" not in row for row in text(rows).splitlines()[:-1])


@pytest.mark.parametrize("values", [[1.0, math.nan, 2.0], [1.0, 2.0], [], [math.nan, math.nan]])
def test_numbers_that_are_missing_elsewhere_are_no_end(values: list[float]) -> None:
    assert nan_since(series(values)) is None


def test_a_band_is_shaded_behind_its_line_and_within_the_axes() -> None:
    steps = FLAT.series.steps
    banded = FLAT._replace(band=Band(steps, [-1.0] * 5, [2.0] * 5))
    rows = chart(FALLING, banded)
    assert looks_of(rows, "░") == {"chart-base"}
    assert text(rows).splitlines()[0].count("░") == 19
    assert "╌" in text(rows)
    scale = scale_of([banded])
    assert scale is not None
    assert scale.y_low <= -1.0
    assert scale.y_high >= 2.0


def test_a_log_scale_is_named_at_the_axis() -> None:
    falling = Line("run", series([10.0**-n for n in range(5)]))
    assert text(chart(falling, log_y=True)).splitlines()[-1].lstrip().startswith("log₁₀ ")
    assert text(chart(falling, log_y=True, glyphs=ASCII)).splitlines()[-1].lstrip().startswith("log ")


@pytest.mark.parametrize("glyphs", [ASCII, ASCII_BLOCKS])
@pytest.mark.parametrize("filled", [False, True])
def test_poor_terminals_get_all_of_it_in_their_characters(glyphs: Glyphs, filled: bool) -> None:
    lost = Line("run", series([1.0, 0.5, 0.25, math.nan]), band=Band([0, 10, 20], [0.4, 0.3, 0.1], [1.2, 0.7, 0.5]))
    shown = text(chart(lost, FLAT, levels=[Level(0.7, "< 0.7")], size=(24, 9), glyphs=glyphs, filled=filled))
    allowed = set("█▀▄░▒") if glyphs.blocks else set()
    assert {character for character in shown if not character.isascii()} <= allowed
    assert "< 0.7" in shown
    assert "---" in shown


def test_a_filled_chart_fills_the_first_line_only() -> None:
    other = Line("b", series([0.1] * 5), 2)
    rows = chart(FALLING, other, filled=True)
    assert looks_of(rows, "⣿") == {"chart-1"}
    assert "chart-2" in {look for row in rows for _, look in row}


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (10, 4), (17, 5)])
def test_any_size_is_filled_exactly(size: tuple[int, int]) -> None:
    rows = chart(FALLING, FLAT, levels=[Level(0.3, "< 0.3")], size=size)
    assert len(rows) == size[1]
    assert all(sum(len(part) for part, _ in row) <= size[0] for row in rows)
