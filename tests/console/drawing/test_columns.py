"""The columns of a table that fit the width."""

from __future__ import annotations

from autoloop_tui.console.drawing.columns import Column, lay_out
from autoloop_tui.console.drawing.pieces import crop


def test_columns_give_way_in_their_order_and_the_rest_grows() -> None:
    columns = [Column("a", "", 5, need=0, most=20), Column("b", "", 10, need=2), Column("c", "", 10, need=1, most=12)]
    assert [(c.key, w) for c, w in lay_out(columns, 27)] == [("a", 5), ("b", 10), ("c", 10)]
    assert [(c.key, w) for c, w in lay_out(columns, 26)] == [("a", 15), ("c", 10)]
    assert [(c.key, w) for c, w in lay_out(columns, 50)] == [("a", 20), ("b", 10), ("c", 12)]
    assert [(c.key, w) for c, w in lay_out(columns, 3)] == [("a", 5)]


def test_a_row_that_loses_only_spaces_is_not_marked_as_cut() -> None:
    assert "".join(text for text, _ in crop([("outcome   ", "")], 0, 8, "…")) == "outcome "
    assert "".join(text for text, _ in crop([("outcome x ", "")], 0, 8, "…")) == "outcome…"
