"""The letters and colours of runs."""

from __future__ import annotations

from autoloop_tui.console.drawing.badges import badge_of


def test_neighbours_differ_in_colour_and_no_two_runs_share_a_letter() -> None:
    badges = [badge_of(place) for place in range(1000)]
    assert [badge.letter for badge in badges[:3]] == ["a", "b", "c"]
    assert [badge.letter for badge in badges[25:28]] == ["z", "aa", "ab"]
    assert [badge.colour for badge in badges[:7]] == [1, 2, 3, 4, 5, 6, 1]
    assert len({badge.letter for badge in badges}) == 1000


def test_runs_of_other_loops_have_capital_letters() -> None:
    assert [badge_of(place, guest=True).letter for place in range(2)] == ["A", "B"]
    assert badge_of(0, guest=True).look == "chart-6"
