"""A curve counts as flat only if it has enough points, whatever the comparison; a change can be seen with two points."""

from __future__ import annotations

from array import array

import pytest
from autoloop.metrics import PLATEAU_POINTS, default_book, summarise
from autoloop.model import Series
from autoloop.rules import RunView, compile_expression, default_rules, evaluate, no_point_ahead, parse_book

from tests.rules.test_live import fires, rule, watch
from tests.rules.views import metric, quiet, view

FLAT_BUT_NOISY = [1.0, 1.004, 0.997, 1.001, 0.999, 1.002, 0.998, 1.003, 1.0, 0.999, 1.001, 0.998]


@pytest.mark.parametrize(
    "text",
    [
        "l1_loss.pct > -2",
        "-2 < l1_loss.pct",
        "l1_loss.delta > -0.01",
        "abs(l1_loss.pct) < 2",
        "-l1_loss.pct < 2",
        "-5 < l1_loss.pct < 5",
        "l1_loss.pct / 100 > -0.02",
        "not l1_loss.pct <= -2",
        "not (l1_loss.pct <= -2 or l1_loss.pct > 50)",
        "not not l1_loss.pct > -2",
        'metric("train/accuracy").pct < 1',
        'metric("of no known direction").pct < 1',
        'metric("of no known direction").pct > -1',
    ],
)
def test_no_plateau_is_called_before_it_has_enough_points(text: str) -> None:
    """The history grows point by point."""
    called = []
    for points in range(1, len(FLAT_BUT_NOISY) + 1):
        values = array("d", FLAT_BUT_NOISY[:points])
        series = Series(steps=array("q", range(50, 50 * points + 1, 50)), values=values)
        names = ("train/l1_loss", "train/accuracy", "of no known direction")
        verdict = evaluate(text, RunView(summarise(dict.fromkeys(names, series), default_book())))
        called.append(verdict.holds)
        if not verdict.holds:
            assert any(note.endswith(f"too few points ({points} of at least {PLATEAU_POINTS})") for note in verdict.notes)
    assert called == [points >= PLATEAU_POINTS for points in range(1, len(FLAT_BUT_NOISY) + 1)]


@pytest.mark.parametrize(
    "text",
    [
        "l1_loss.pct <= -10",  # it has improved
        "not l1_loss.pct > -10",
        "not (l1_loss.pct > -10 and steps > 0)",
        "l1_loss.pct < 5",  # it has not become much worse
        "abs(l1_loss.pct) > 40",
        "l1_loss.delta != 0",
        'metric("train/accuracy").pct > -60',
        "l1_loss.last < 0.6",
        "l1_loss.n == 2",
        "1 / l1_loss.pct < 0",
    ],
)
def test_what_is_no_plateau_needs_two_points_only(text: str) -> None:
    fallen = metric(1.0, 0.5, n=2)
    run = view({"train/l1_loss": fallen, "train/accuracy": fallen})
    assert evaluate(text, run).holds, evaluate(text, run).notes


def test_too_few_points_are_told_and_decide_nothing() -> None:
    for text in ("l1_loss.pct > -2", "not not l1_loss.pct > -2", "l1_loss.pct > -2 or steps > 0"):
        verdict = evaluate(text, view(quiet(l1_loss=metric(pct=0.0, n=3))))
        assert (verdict.holds, verdict.notes) == (False, ["l1_loss.pct > -2: too few points (3 of at least 8)"])
    falling = evaluate("l1_loss.pct > -2", view(quiet(l1_loss=metric(1.0, 0.5, n=3))))
    assert (falling.holds, falling.notes) == (False, [])  # two points suffice to see that it falls


def test_the_shipped_book_says_why_a_short_run_has_no_plateau() -> None:
    judgement = default_rules().judge(view(quiet(l1_loss=metric(pct=0.0, n=5))))
    assert [request.rule for request in judgement.requests] == ["default"]
    assert judgement.notes == ["rule l1-plateau: l1_loss.pct > -2: too few points (5 of at least 8)"]


def test_what_a_condition_calls_flat_is_known_when_it_is_read() -> None:
    assert compile_expression("l1_loss.pct > -2 and grad_norm.pct < -50").plateaus == {"train/l1_loss"}
    assert compile_expression('l1_loss.pct > config("tolerance")').plateaus == frozenset()


def test_a_live_rule_stops_no_run_on_the_few_points_of_its_beginning() -> None:
    plateau = rule(when='"l1_loss.pct > -2"')
    flat = [(step, 1.0) for step in range(50, 1001, 50)]
    fired = [fires(watch(plateau), *flat[:points]) for points in range(1, 12)]
    assert fired == [points >= PLATEAU_POINTS for points in range(1, 12)]


@pytest.mark.parametrize(
    ("keys", "log_freq", "known"),
    [
        ({"window": 200}, 50, True),
        ({"window": 350}, 50, False),
        ({"window": 200}, 25, False),
        ({"between": "[100, 300]"}, 50, True),
        ({"between": "[100, 400]"}, 50, False),
        ({"window": 200}, None, False),
    ],
)
def test_a_window_too_short_for_a_plateau_is_known_before_the_start(
    keys: dict[str, object], log_freq: int | None, known: bool
) -> None:
    why = no_point_ahead(rule(when='"l1_loss.pct > -2"', **keys), 2000, log_freq, 200)
    assert (why is not None) is known
    if why and "window" in keys:
        assert "will never find train/l1_loss flat: that takes 8 points" in why
        assert "with --log-freq 50 there are at most 5 in 200 steps" in why


def test_a_book_may_say_how_flat_in_a_setting_of_the_config() -> None:
    text = 'name = "n"\nversion = "1"\n[[rule]]\nid = "a"\nreason = "r"\nchanges = ["seed@add=1"]\n'
    book = parse_book(text + "when = 'l1_loss.pct > config(\"tolerance\")'\n", "t")
    flat = {"train/l1_loss": metric(pct=0.0, n=3)}
    assert [each.rule for each in book.judge(view(flat, config={"tolerance": -2})).requests] == ["a"]
