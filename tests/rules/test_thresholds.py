"""The numbers with which a condition compares metrics, for charts that draw them as lines."""

from __future__ import annotations

import pytest
from autoloop.rules import compile_expression

L1 = "train/l1_loss"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("l1_loss.last > 0.5", [(L1, "last", ">", 0.5)]),
        ("-1 <= l1_loss.min", [(L1, "min", ">=", -1.0)]),
        (
            "0.1 < l1_loss.last < 0.9 or l1_loss.pct > 5",
            [(L1, "last", ">", 0.1), (L1, "last", "<", 0.9), (L1, "pct", ">", 5.0)],
        ),
        ("l1_loss.last > 2 * l1_loss.min", []),
        ("steps > 10", []),
    ],
)
def test_statistics_that_are_compared_with_a_number(text: str, found: list[tuple[str, str, str, float]]) -> None:
    assert [tuple(each) for each in compile_expression(text).thresholds] == found
