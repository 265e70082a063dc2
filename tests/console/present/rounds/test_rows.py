"""Names and changes in a few cells."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.configs import diff

from autoloop_tui.console.drawing.cutting import middle
from autoloop_tui.console.present.rounds.rows import changes_in_short


@pytest.mark.parametrize(("text", "width", "cut"), [("abc", 5, "abc"), ("act_third_person_r3_2", 14, "act_thir…r3_2")])
def test_a_long_name_keeps_its_end(text: str, width: int, cut: Any) -> None:
    short = middle(text, width, "…")
    assert len(short) <= width
    assert short.endswith(text[-2:])


def test_changes_that_read_alike_are_told_once() -> None:
    features = [{"weight": 1.0} for _ in range(4)]
    before = {"features": features, "reg": 0.1}
    after = {"features": [{"weight": 0.5} for _ in features], "reg": 0.2}
    changes = diff(before, after)
    assert changes_in_short(changes) == "weight 1→0.5 ×4, reg 0.1→0.2"
    assert changes_in_short(changes, 1) == "weight 1→0.5 ×4, +1"
