"""Names shortened to the parts that distinguish them."""

from __future__ import annotations

import pytest

from autoloop_tui.console.present.compare.short_names import telling


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["act_reg_040,seed=1", "act_reg_064,seed=1"], ["reg_040", "reg_064"]),
        (["base,seed=0", "base,seed=1"], ["seed=0", "seed=1"]),
        (["act_base,seed=1", "act_base_r2_1,seed=1", "act_big,seed=2"], ["base,seed=1", "base_r2_1,seed=1", "big,seed=2"]),
        (["act", "act_reg"], ["act", "act_reg"]),
        (["lr=0.1", "lr=0.2"], ["lr=0.1", "lr=0.2"]),
        (["same", "same"], ["", ""]),
        (["alone_here"], ["alone_here"]),
        (["---", "a"], ["", ""]),
    ],
)
def test_what_all_names_begin_and_end_with_is_left_out(names: list[str], short: list[str]) -> None:
    assert telling(names) == short
