"""The letters and colours of runs."""

from __future__ import annotations

from autoloop_tui.console.drawing.badges import apart, badge_of


def test_neighbours_differ_in_colour_and_no_two_runs_share_a_letter() -> None:
    badges = [badge_of(place) for place in range(1000)]
    assert [badge.letter for badge in badges[:3]] == ["a", "b", "c"]
    assert [badge.letter for badge in badges[25:28]] == ["z", "aa", "ab"]
    assert [badge.colour for badge in badges[:7]] == [1, 2, 3, 4, 5, 6, 1]
    assert len({badge.letter for badge in badges}) == 1000


def test_runs_of_other_loops_have_capital_letters() -> None:
    assert [badge_of(place, guest=True).letter for place in range(2)] == ["A", "B"]
    assert badge_of(0, guest=True).look == "chart-6"


def test_runs_that_are_shown_together_have_colours_of_their_own_and_keep_theirs_where_possible() -> None:
    badges = {name: badge_of(place) for name, place in {"a": 0, "g": 6, "m": 12, "b": 1}.items()}
    shown = apart(badges)
    assert {name: badge.colour for name, badge in shown.items()} == {"a": 1, "g": 3, "m": 4, "b": 2}
    assert [badge.letter for badge in shown.values()] == [badge.letter for badge in badges.values()]
    many = apart({str(place): badge_of(place) for place in range(0, 60, 6)})  # more than there are colours
    assert {badge.colour for badge in list(many.values())[:6]} == {1, 2, 3, 4, 5, 6}
