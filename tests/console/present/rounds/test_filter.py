"""The filter expression for runs."""

from __future__ import annotations

from autoloop.metrics import default_book

from autoloop_tui.console.present.rounds.filter import parse_filter


def test_an_unknown_metric_in_a_filter_is_said_with_the_nearest_name() -> None:
    asked = parse_filter("ot_pi_smu>0.1 eval_l1<x", default_book(), set())
    assert "did you mean ot_pi_sum?" in asked.note
    assert asked.words == ("ot_pi_smu>0.1", "eval_l1<x")
