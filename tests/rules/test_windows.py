"""Live rules without data to judge are reported before the start, and at the end of a run."""

from __future__ import annotations

import pytest
from autoloop.metrics import default_book
from autoloop.rules import default_rules, live_rules, no_point_ahead, no_point_seen

from tests.rules.test_live import rule, series

EVAL = '"eval_l1.last > 5"'


@pytest.mark.parametrize(
    ("keys", "steps", "log_freq", "eval_freq", "silent"),
    [
        ({"between": "[300, 500]"}, 2000, 50, 200, False),
        ({"between": "[300, 500]"}, 2000, 500, 200, False),
        ({"between": "[300, 499]"}, 2000, 500, 200, True),
        ({"between": "[300, 500]"}, 2000, 1000, 200, True),
        ({"between": "[300, 500]"}, 2000, None, None, False),  # the trainer does not receive the logging frequency
        ({"between": "[300, 500]"}, 300, 50, 200, True),
        ({"between": "[300, 500]"}, 400, 50, 200, False),
        ({"between": "[300, 500]", "when": EVAL}, 2000, 50, 1000, True),
        ({"between": "[300, 500]", "when": EVAL}, 2000, 1000, 100, False),
        ({"between": "[300, 500]", "when": EVAL}, 2000, 50, 0, True),
        ({"at": 400}, 2000, 1000, 200, False),
        ({"at": 400}, 1000, 1000, 200, True),  # a run is not judged after its last step
        ({"at": 400}, 400, 50, 200, True),
        ({"after": 100}, 100, 10, 200, True),
        ({"after": 100}, 2000, 10, 200, False),
        ({"window": 500}, 400, 10, 200, True),
        ({"between": "[300, 310]", "when": "'log_matches(\"x\")'"}, 2000, 1000, 200, False),
    ],
)
def test_a_rule_whose_window_will_hold_no_point_is_known_before_the_start(
    keys: dict[str, object], steps: int, log_freq: int | None, eval_freq: int | None, silent: bool
) -> None:
    why = no_point_ahead(rule(**keys), steps, log_freq, eval_freq)
    assert (why is not None) is silent
    assert why is None or "rule r will never apply" in why


def test_what_to_change_is_said() -> None:
    why = no_point_ahead(rule(between="[300, 500]"), 2000, 1000, 200) or ""
    assert "steps 300–500" in why
    assert "--log-freq 1000" in why


def test_a_run_whose_points_missed_the_window_is_told_so() -> None:
    book, looked = default_book(), [rule(between="[300, 500]")]
    coarse = {"train/l1_loss": series((0, 9.0), (1000, 9.0), (2000, 9.0))}
    (said,) = no_point_seen(looked, coarse, book, 2000)
    assert said == "r judges at steps 300–500, but had no data there (l1_loss at 0, 1000, 2000)"
    assert no_point_seen(looked, {"train/l1_loss": series((400, 9.0))}, book, 2000) == []
    assert no_point_seen(looked, coarse, book, 200) == []  # it was known that the run would not get that far
    assert no_point_seen(looked, coarse, book, 2000, since=1000) == []  # resumed after it
    (absent,) = no_point_seen(looked, {"train/loss": series((400, 9.0))}, book, 2000)
    assert "l1_loss was not logged" in absent
    assert no_point_seen(looked, {"train/loss": series((400, 9.0))}, book, 2000, absent=False) == []
    assert no_point_seen([rule()], coarse, book, 2000) == []  # it judges at every step


def test_the_shipped_rules_judge_a_run_of_the_default_length() -> None:
    assert [no_point_ahead(each, 2000, 50, 200) for each in live_rules(default_rules())] == [None] * 5
