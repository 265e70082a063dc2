"""The expected effect of a rule's changes: its syntax, and that requests include it."""

from __future__ import annotations

import pytest
from autoloop.metrics import default_book, expectation_text, parse_expectation
from autoloop.model import Expectation, UserError
from autoloop.rules import RunView, default_rules, parse_book
from autoloop.rules.python_rules import python_rules

from tests.rules.test_book import refused, with_rule
from tests.rules.views import view


def test_a_metric_is_written_as_tables_show_it_and_is_read_back_so() -> None:
    book = default_book()
    expected = parse_expectation("  eval_l1   lower ", book)
    assert expected == Expectation(metric=book.resolve_name("eval_l1") or "", direction="lower")
    assert expectation_text(expected, book) == "eval_l1 lower"
    assert parse_expectation("my/score higher", book) == Expectation(metric="my/score", direction="higher")


@pytest.mark.parametrize("text", ["", "lower", "eval_l1", "eval_l1 better", "lower eval_l1"])
def test_what_is_no_expectation_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match='write a metric and lower or higher, as in "eval_l1 lower"'):
        parse_expectation(text, default_book())


def test_a_slip_in_a_book_names_the_rule_and_the_nearest_metric() -> None:
    assert refused(with_rule(expect='"eval_l2 lower"')).startswith(
        'rule "a": expect: unknown metric "eval_l2"; did you mean'
    )
    assert "expect: a live rule stops its run" in refused(with_rule(expect='"eval_l1 lower"', scope='"live"'))


def test_the_requests_of_a_rule_and_of_the_default_carry_it() -> None:
    text = (
        with_rule(expect='"eval_l1 lower"') + '\n[default]\nreason = "d"\nchanges = ["seed@add=1"]\nexpect = "l1_loss lower"'
    )
    rules = parse_book(text, "my.toml")
    (request,) = rules.judge(view(steps=5)).requests
    assert request.expects == parse_expectation("eval_l1 lower", default_book())
    (request,) = rules.judge(view(steps=1)).requests
    assert request.expects == parse_expectation("l1_loss lower", default_book())


def test_the_shipped_rules_for_ended_runs_expect_what_their_reasons_name() -> None:
    expected = {
        rule.id: rule.expects.direction if rule.expects else None for rule in default_rules().rules if not rule.watch
    }
    assert expected == {
        "ot-mass-low": "higher",
        "ot-mass-high-cost-flat": "lower",
        "l1-plateau": "lower",
        "grad-norm-high": "lower",
    }


CODE = """
def decide(summary):
    return [
        {"reason": "a", "changes": ["seed@add=1"], "expect": "eval_l1 lower"},
        {"reason": "b", "changes": ["seed@add=2"]},
        {"reason": "c", "changes": ["seed@add=3"], "expect": 3},
        {"reason": "d", "changes": ["seed@add=4"], "expect": "eval_l1 good"},
    ]
"""


def test_rules_in_python_may_state_it_too(one: RunView) -> None:
    judgement = python_rules(CODE, "r.py").judge(one)
    assert [request.expects for request in judgement.requests] == [parse_expectation("eval_l1 lower", default_book()), None]
    assert ["its expect is int" in judgement.notes[0], "is not an expectation" in judgement.notes[1]] == [True, True]


@pytest.fixture
def one() -> RunView:
    return view(steps=5)
