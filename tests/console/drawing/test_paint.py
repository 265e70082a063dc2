from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from autoloop.model import ProposalStatus, RunState
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from autoloop_tui.console.drawing import paint
from autoloop_tui.console.drawing.glyphs import ASCII, ASCII_BLOCKS, UNICODE

ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("日本é\u0301\u200d\ufe0f\x1b\t👍🏽🇩🇪\udc80"))


@given(ANY_TEXT, st.integers(0, 40), st.sampled_from("<>^"))
def test_fit_fills_exactly_the_cells_asked_for(text: str, width: int, align: Any) -> None:
    row = paint.fit(text, width, align)
    assert cell_len(row) == paint.cells(row) == width
    row.encode()  # No lone surrogate reaches the terminal.
    assert row.replace("�", "").isprintable()


@given(ANY_TEXT, st.integers(0, 30), st.integers(0, 30))
def test_window_fills_exactly_the_cells_asked_for(text: str, start: Any, width: int) -> None:
    assert cell_len(paint.window(text, start, width)) == width


def test_window_cuts_a_wide_character_into_spaces() -> None:
    assert paint.window("日本語x", 1, 6) == " 本語x"
    assert paint.window("abc", 3, 4) == "    "


def test_clip_marks_what_was_cut_and_only_then() -> None:
    assert paint.clip("abcdef", 6) == "abcdef"
    assert paint.clip("abcdefg", 6) == "abcde…"
    assert paint.clip("日本語", 5) == "日本…"
    assert paint.clip("日本語", 4) == "日…"
    assert paint.clip("abc", 0) == ""


def test_combining_characters_stay_with_their_letter() -> None:
    assert paint.clip("e\u0301e\u0301e\u0301", 2) == "e\u0301…"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.842, "1.842"),
        (31250, "31250"),
        (2.6e-85, "2.6e-85"),
        (-1.23456e-300, "-1.235e-300"),
        (0.04213, "0.04213"),
        (0.0, "0"),
        (-0.0, "0"),
        (123.456, "123.5"),
        (9999.96, "10000"),
        (99999.7, "1e5"),
        (0.00099999, "0.001"),
        (1234567, "1.235e6"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (None, "–"),
        (1.8, "1.8"),
    ],
)
def test_numbers_have_four_significant_digits(value: float | None, text: str) -> None:
    assert paint.number(value) == text


@given(st.floats(-1e308, 1e308))
def test_a_number_keeps_its_size_to_four_digits(value: float) -> None:
    assert float(paint.number(value)) == pytest.approx(value, rel=6e-4, abs=0)


def test_a_narrow_number_keeps_two_digits() -> None:
    assert [paint.number(value, 6) for value in (0.00018, 0.000249, 0.0012345)] == ["1.8e-4", "2.5e-4", "0.0012"]


@given(st.floats())
def test_a_number_fits_seven_cells_by_losing_digits(value: float) -> None:
    assert len(paint.number(value, 7)) <= 7


def test_signed_shows_the_direction() -> None:
    assert [paint.signed(value) for value in (0.5, -0.5, 0.0, None)] == ["+0.5", "-0.5", "±0", "–"]


def test_percent_never_claims_the_end_before_it_is_reached() -> None:
    assert [paint.percent(share) for share in (0.999, 1.0, 0.07, None)] == [" 99%", "100%", "  7%", "   –"]


def test_sizes_are_short() -> None:
    assert [paint.size(value) for value in (812, 71 * 2**30, 1.44 * 2**40, None)] == ["812B", "71G", "1.4T", "–"]


@given(st.floats(), st.integers(0, 60), st.sampled_from([UNICODE, ASCII]))
def test_a_bar_is_as_wide_as_asked(fraction: Any, width: int, glyphs: Any) -> None:
    assert paint.cells("".join(paint.bar(fraction, width, glyphs=glyphs))) == width


def test_a_bar_draws_half_cells() -> None:
    assert paint.bar(0.25, 10) == ("██▌", "░░░░░░░")
    assert paint.bar(0.25, 10, glyphs=ASCII_BLOCKS) == ("██", "░░░░░░░░")
    assert paint.bar(0.25, 10, glyphs=ASCII) == ("##", "........")


@given(st.lists(st.floats()), st.integers(0, 50), st.sampled_from([UNICODE, ASCII]))
def test_a_sparkline_is_as_wide_as_asked(values: Sequence[float], width: int, glyphs: Any) -> None:
    assert paint.cells(paint.sparkline(values, width, glyphs=glyphs)) == width


def test_a_sparkline_keeps_a_spike_of_one_point_and_leaves_gaps() -> None:
    spark = paint.sparkline([0.0] * 500 + [1.0] + [0.0] * 499, 20)
    assert spark[10] == "█"
    assert set(spark) == {"▁", "█"}
    assert paint.sparkline([1.0, math.nan, 2.0], 3) == "▁ █"
    assert paint.sparkline([3.0, 3.0, 3.0, 3.0], 4) == "▅▅▅▅"


def test_few_points_take_a_cell_each_and_do_not_look_like_a_full_bar() -> None:
    assert paint.sparkline([1.0, 2.0], 6) == "▁█    "
    assert paint.sparkline([1.0, math.nan], 6) == "▅     "
    assert paint.sparkline([], 3) == "   "


def test_every_state_has_a_glyph_a_word_and_a_colour_of_its_own_themes() -> None:
    for state in [*RunState, *ProposalStatus]:
        look = paint.look(state)
        assert look.word == state.value
        assert paint.cells(look.glyph) == len(look.ascii) == 1
        assert len(look.short) <= 4
    for group in (RunState, ProposalStatus):
        words = {paint.look(state).text(ASCII) for state in group}
        assert len(words) == len(group)


def test_an_unknown_state_is_shown_by_its_name() -> None:
    assert paint.look("teleported").text() == "? teleported"
