"""A column of numbers as tables show it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from autoloop.text.number_column import NumberColumn, aligned
from autoloop.text.values import number, value_text
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.819, 0.8172, None], ["0.8190", "0.8172", "–     "]),
        ([123.456, 0.3319], ["123.5   ", "  0.3319"]),
        ([1.0, 2.0, 300.0], ["  1", "  2", "300"]),
        ([3.44e-11, 2.287e-8, 0.0], ["3.440e-11", "2.287e-8 ", "0        "]),
        ([1e8, 0.5], ["1e8 ", "5e-1"]),
        ([math.nan, 0.5, 12.25], ["nan", "  0.50", " 12.25"]),
        ([9999.96, 0.1], ["10000  ", "    0.1"]),
        ([], []),
    ],
)
def test_points_stand_below_each_other_in_one_notation(values: list[float | None], texts: list[str]) -> None:
    assert [text.rstrip() for text in aligned(values)] == [text.rstrip() for text in texts]
    assert len({len(text) for text in aligned(values)}) <= 1


@pytest.mark.parametrize(("value", "text"), [(0.001, "0.001"), (0.0005, "0.0005"), (0.00012, "0.00012"), (9e-5, "9e-5")])
def test_a_value_is_written_in_a_column_as_alone_and_as_a_setting(value: float, text: str) -> None:
    assert {number(value), value_text(value), *(each.strip() for each in aligned([value, value]))} == {text}


def test_changes_have_a_sign() -> None:
    assert aligned([-0.0446, 0.002, 0.0], signed=True) == ["-0.0446", "+0.0020", " 0     "]


def test_in_a_narrow_column_digits_give_way_and_no_number_is_cut() -> None:
    column = NumberColumn.of([123.4, 0.3319], room=6)
    assert [column.text(each) for each in (123.4, 0.3319)] == ["123   ", "  0.33"]


def test_a_number_that_came_later_is_whole() -> None:
    assert NumberColumn.of([0.5]).text(12345.0).strip() == "12345"
    assert NumberColumn.of([]).text(0.3331) == "0.3331"
    assert NumberColumn.of([1.5], signed=True).text(0.0123) == "+0.0123"


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=8), st.booleans())
def test_every_number_is_as_wide_as_the_column_and_reads_back(values: list[float | None], signed: bool) -> None:
    column = NumberColumn.of(values, signed=signed)
    _stand_in(column, values)


@given(st.lists(st.floats(), max_size=8), st.lists(st.floats(-1e4, 1e4), max_size=8), st.booleans())
def test_a_number_that_a_column_takes_stands_in_it_as_the_others_do(
    values: list[float], later: list[float], signed: bool
) -> None:
    column = NumberColumn.of(values, signed=signed)
    _stand_in(column, [value for value in later if column.takes(value)])


def test_a_column_takes_what_needs_no_more_digits_than_it_has() -> None:
    column = NumberColumn.of([0.1234, 12.5])
    assert [value for value in (0.5, 99.99, -1.0, 100.0, 1e-9, math.nan) if column.takes(value)] == [0.5, 99.99, -1.0]


def _stand_in(column: NumberColumn, values: Sequence[float | None]) -> None:
    for value in values:
        text = column.text(value)
        assert len(text) == column.width
        if value is not None and math.isfinite(value):
            digits = 5e-4 if value else 0.0
            assert math.isclose(float(text), value, rel_tol=digits, abs_tol=5e-324)


def test_small_changes_in_a_narrow_column_keep_two_digits() -> None:
    values = [0.00018, 0.00021, -0.00012]
    column = NumberColumn.of(values, room=7)
    assert [column.text(value) for value in values] == [" 1.8e-4", " 2.1e-4", "-1.2e-4"]
