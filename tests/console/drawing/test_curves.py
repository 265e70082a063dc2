from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from autoloop_tui.console.drawing.curves import EMPTY, Curve, Scale, draw, fit_scale
from autoloop_tui.console.drawing.glyphs import ASCII, ASCII_BLOCKS, UNICODE, UNICODE_BLOCKS
from autoloop_tui.console.drawing.paint import cells
from autoloop_tui.console.drawing.ticks import x_axis, y_ticks


def points(values: Sequence[float], step: int = 1) -> Any:
    return Curve(array("q", range(0, len(values) * step, step)), array("d", values))


def text_of(rows: Any) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def drawn(curves: Any, width: int, height: int, **options: Any) -> Any:
    scale = fit_scale(curves, **options)
    assert scale is not None
    return draw(curves, scale, width, height)


def dots(rows: Any) -> Any:
    """Return the positions (x, y) of all dots in rows of Braille, with y counted from the top."""
    left, right = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
    bits = {bit: (x, y) for x, side in enumerate((left, right)) for y, bit in enumerate(side)}
    found = set()
    for y, row in enumerate(text_of(rows)):
        for x, character in enumerate(row):
            mask = ord(character) - 0x2800 if character != " " else 0
            found |= {(2 * x + dx, 4 * y + dy) for bit, (dx, dy) in bits.items() if mask & bit}
    return found


@example([], [1.7976931348623157e308, -2.0230686713768455e307], 1, 2, False, UNICODE)
@example([], [-1.634266486238469e308], 1, 1, False, UNICODE)
@example([], [5e-324], 1, 1, True, UNICODE)
@given(
    st.lists(st.floats(), max_size=300),
    st.lists(st.floats(), max_size=30),
    st.integers(1, 60),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from([UNICODE, ASCII, UNICODE_BLOCKS, ASCII_BLOCKS]),
)
def test_any_floats_make_rows_of_exactly_the_asked_size(
    first: Any, second: Any, width: int, height: int, log_y: bool, glyphs: Any
) -> None:
    curves = [points(first), points(second)]
    scale = fit_scale(curves, log_y=log_y)
    if scale is None:
        assert not any(math.isfinite(v) and (v > 0 or not log_y) for v in first + second)
        return
    rows = draw(curves, scale, width, height, glyphs=glyphs)
    assert [cells(row) for row in text_of(rows)] == [width] * height
    assert cells(x_axis(scale, width)) == width
    assert set(y_ticks(scale, height)) <= set(range(height))


def test_a_spike_of_one_step_among_a_hundred_thousand_is_drawn() -> None:
    values = [1.0] * 100_000
    values[70_000] = 50.0
    rows = drawn([points(values)], 40, 8)
    top = {x for x, y in dots(rows) if y < 8}
    assert len(top) == 1
    assert abs(top.pop() - 0.7 * 79) <= 1


def test_a_dip_of_one_step_is_drawn_too() -> None:
    values = [1.0] * 10_000
    values[5000] = -50.0
    rows = drawn([points(values)], 40, 8)
    assert any(y >= 24 for _, y in dots(rows))


def test_nan_leaves_a_gap_and_does_not_join_its_sides() -> None:
    values = [1.0] * 40 + [math.nan] * 20 + [1.0] * 40
    columns = {x for x, _ in dots(drawn([points(values)], 50, 4))}
    assert columns == set(range(40)) | set(range(60, 100))


def test_a_single_nan_between_few_points_breaks_the_line() -> None:
    columns = {x for x, _ in dots(drawn([points([0.0, 1.0, math.nan, 1.0, 0.0])], 10, 4))}
    assert {0, 1, 4, 15, 18, 19} <= columns
    assert not columns & set(range(6, 14))


def test_the_sides_of_a_gap_narrower_than_a_dot_are_not_joined() -> None:
    values = [0.0] * 100 + [math.nan] + [10.0] * 100
    assert not any(8 < y < 24 for _, y in dots(drawn([points(values)], 10, 8)))
    values[100] = 10.0
    assert any(8 < y < 24 for _, y in dots(drawn([points(values)], 10, 8)))


def test_few_points_fill_the_whole_width_as_one_unbroken_line() -> None:
    columns = {x for x, _ in dots(drawn([points([0.0, 5.0, 2.0])], 30, 6))}
    assert columns == set(range(60))


def test_neighbouring_columns_touch_however_steep_the_line() -> None:
    found = dots(drawn([points([0.0, 100.0, 0.0, 100.0])], 20, 10))
    by_column = {x: {y for cx, y in found if cx == x} for x in range(40)}
    for x in range(39):
        assert min(abs(a - b) for a in by_column[x] for b in by_column[x + 1]) <= 1


def test_not_positive_values_leave_a_gap_on_a_log_axis() -> None:
    columns = {x for x, _ in dots(drawn([points([1.0] * 40 + [0.0] * 20 + [10.0] * 40)], 50, 4, log_y=True))}
    assert not columns & set(range(41, 59))
    assert fit_scale([points([0.0, -1.0])], log_y=True) is None


def test_decades_are_equally_far_apart_on_a_log_axis() -> None:
    scale = Scale(0, 4, 1e-4, 1.0, log_y=True)
    place = scale.place(41)
    assert [round(place(value)) for value in (1.0, 0.1, 0.01, 0.001, 1e-4)] == [0, 10, 20, 30, 40]


def test_the_first_curve_is_in_front_and_each_piece_names_its_curve() -> None:
    front, behind = points([1.0] * 50), points([1.0] * 50)
    assert {which for row in drawn([front, behind], 20, 4) for _, which in row} == {0, EMPTY}
    apart = drawn([points([0.0] * 50), points([9.0] * 50)], 20, 4)
    assert {which for row in apart for _, which in row} == {0, 1, EMPTY}


def test_a_filled_curve_reaches_the_bottom_and_hides_no_other() -> None:
    high, low = points([9.0] * 50), points([0.0] * 50)
    rows = draw([high, low], Scale(0, 49, 0, 10), 20, 6, filled=True)
    assert text_of(rows)[-1] == "⣀" * 20
    assert [number for _, number in rows[-1]] == [1]
    assert set("".join(text_of(rows)[1:-1])) == {"⣿"}


def test_blocks_stand_for_upper_and_lower_halves() -> None:
    rows = draw([points([0.0, 10.0])], Scale(0, 1, 0, 10), 4, 2, glyphs=UNICODE_BLOCKS)
    assert set("".join(text_of(rows))) <= set(" ▀▄█")


def test_the_axis_reaches_the_last_step_so_that_a_growing_line_moves_nothing() -> None:
    early = fit_scale([points([1.0, 2.0] * 50)], x_high=1000)
    late = fit_scale([points([1.0, 2.0] * 90)], x_high=1000)
    assert early == late


def test_a_constant_line_has_room_above_and_below() -> None:
    scale = fit_scale([points([3.0] * 5)])
    assert scale.y_low < 3.0 < scale.y_high


def test_step_labels_stand_apart() -> None:
    axis = x_axis(Scale(0, 20_000, 0, 1), 60)
    assert axis.split() == ["0", "5k", "10k", "15k", "20k"]
