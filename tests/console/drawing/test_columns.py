"""Which columns of a table fit."""

from __future__ import annotations

from autoloop_tui.console.drawing.columns import Column, lay_out


def test_columns_give_way_in_their_order_and_the_rest_grows() -> None:
    columns = [Column("a", "", 5, need=0, most=20), Column("b", "", 10, need=2), Column("c", "", 10, need=1, most=12)]
    assert [(c.key, w) for c, w in lay_out(columns, 27)] == [("a", 5), ("b", 10), ("c", 10)]
    assert [(c.key, w) for c, w in lay_out(columns, 26)] == [("a", 15), ("c", 10)]
    assert [(c.key, w) for c, w in lay_out(columns, 50)] == [("a", 20), ("b", 10), ("c", 12)]
    assert [(c.key, w) for c, w in lay_out(columns, 3)] == [("a", 5)]
