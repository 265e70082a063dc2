"""What would have happened to runs, and the savings and costs."""

from __future__ import annotations

import pytest
from autoloop.backtest import Ending, Outcome, Rate, judge, outcome, rank, replay, tally
from autoloop.rules import RuleSource, parse_book
from autoloop.variants.policy import VariantPolicy

from tests.backtest.past import BOOK, live, past

LR = {"lr": 1.0, "seed": 1}


def came(source: RuleSource, *points: tuple[int, float], **facts: object) -> Outcome:
    rules = {rule.id: rule for rule in source.rules if rule.watch}
    run = replay(past("a", *points, **facts), source)  # type: ignore[arg-type]
    return outcome(run, rules, VariantPolicy(), judge([run], source).get("a"))


def test_a_rule_without_changes_stops_the_run_and_saves_the_rest_of_its_steps() -> None:
    ended = came(live({}), (200, 9.0))
    assert (ended.ending, ended.at, ended.saved, ended.saved_seconds) == (Ending.STOPPED, 200, 800, 400.0)
    assert came(live({}), (200, 1.0)).ending is Ending.UNTOUCHED
    assert came(live({}), (200, 9.0), seconds=None).saved_seconds is None


def test_a_relaunch_takes_the_next_turn_that_the_config_can_take() -> None:
    turns = live({"changes": '[["lr@mul=2"], ["lr@mul=3"]]'})
    assert came(turns, (200, 9.0), config=LR).edits == ("lr@mul=2",)
    assert came(turns, (200, 9.0), config=LR, relaunched={"r0": 1}).edits == ("lr@mul=3",)
    spent = came(turns, (200, 9.0), config=LR, relaunched={"r0": 2})
    assert (spent.ending, [each.rule for each in spent.refused]) == (Ending.UNTOUCHED, ["r0"])
    useless = live({"changes": '[["lr=1.0"], ["lr@mul=3"]]'})
    assert came(useless, (200, 9.0), config=LR).edits == ("lr@mul=3",)
    assert came(live({"changes": '["lr=1.0"]'}), (200, 9.0), config=LR).ending is Ending.UNTOUCHED


def test_a_rule_that_asks_ends_nothing_and_the_next_one_may() -> None:
    source = live({"ask": "true"}, {"when": '"loss.last > 8"'})
    ended = came(source, (200, 6.0), (300, 9.0))
    assert ([each.rule for each in ended.asked], ended.by and ended.by.rule, ended.at) == (["r0"], "r1", 300)


def test_what_fires_after_the_run_was_ended_does_not_count() -> None:
    source = live({}, {"when": '"loss.last > 8"', "ask": "true"})
    assert came(source, (200, 6.0), (300, 9.0)).asked == []


def test_of_two_rules_at_one_step_the_one_of_higher_priority_acts() -> None:
    assert came(live({}, {"priority": "5"}), (200, 9.0)).by.rule == "r1"


END = """
name = "n"
version = "1"

[[rule]]
id = "high"
when = "loss.last > 5"
reason = "high"
changes = ["lr@mul=2"]

[[rule]]
id = "same"
when = "loss.last > 5"
reason = "no effect"
changes = ["lr=1.0"]
"""


def test_proposals_at_the_end_are_checked_against_the_config_and_counted_by_rule() -> None:
    book = parse_book(END, "book.toml", BOOK)
    ended = came(book, (1000, 9.0), config=LR)
    high, same = ended.suggested
    assert high.variant is not None
    assert high.variant.config["lr"] == 2.0
    assert same.variant is not None
    assert same.variant.blocked
    counted = tally([ended], {"high": False, "same": False}, None, {high.variant.hash})
    assert (counted.rules["high"].fired, counted.rules["high"].known, counted.rules["high"].blocked) == (1, 1, 0)
    assert (counted.rules["same"].fired, counted.rules["same"].known, counted.rules["same"].blocked) == (1, 0, 1)


def points(early: float, end: float) -> list[tuple[int, float]]:
    return [(200, early), (900, end), (950, end), (1000, end)]


def cohort(*ends: float, source: RuleSource, good: str = "low", name: str = "loop_1") -> list[Outcome]:
    rules = {rule.id: rule for rule in source.rules if rule.watch}
    metric = "loss" if good == "low" else "acc"
    runs = [
        past(f"{name}-{index}", *points(6.0 if end in (2.0, 7.0) else 1.0, end), cohort=name, metric=metric)
        for index, end in enumerate(ends)
    ]
    return [outcome(replay(run, source), rules, VariantPolicy()) for run in runs]


def test_stopped_runs_that_would_have_ended_among_the_best_quarter_are_counted() -> None:
    """Of eight runs, those with 1.0 and 2.0 are the best; those with 2.0 and 7.0 would have been stopped at step 200."""
    outcomes = cohort(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, source=live({"between": "[100, 300]"}))
    ranks = rank([each.run for each in outcomes], "loss", "low")
    assert ranks.best == {"loop_1-0", "loop_1-1"}
    counted = tally(outcomes, {"r0": True}, ranks, set())
    assert (counted.stopped, counted.saved, counted.seconds) == (2, 1600, 800.0)
    assert (counted.lost, counted.best_lost) == (Rate(1, 2), Rate(1, 2))
    assert counted.rules["r0"].steps == [200, 200]


def test_higher_may_be_better_and_runs_of_other_loops_and_lengths_are_not_compared() -> None:
    one = cohort(1.0, 3.0, 4.0, 5.0, source=live({}), good="high")
    other = cohort(90.0, 91.0, 92.0, source=live({}), good="high", name="loop_2")
    longer = [past("long", (2000, 99.0), total=2000, metric="acc")]
    runs = [each.run for each in [*one, *other]] + [replay(run, live({})) for run in longer]
    ranks = rank(runs, "acc", "high")
    assert ranks.best == {"loop_1-3"}
    assert (ranks.place["loop_1-0"], ranks.of["loop_1-0"], ranks.alone) == (4, 4, 4)


def test_a_run_whose_metric_is_no_number_at_its_end_is_the_last() -> None:
    runs = [replay(past(str(end), *points(0.1, end)), live({})) for end in (3.0, 2.0, 1.0)]
    runs.append(replay(past("nan", (200, 0.1), (1000, float("nan"))), live({})))
    ranks = rank(runs, "loss", "low")
    assert (ranks.place["nan"], ranks.best) == (4, {"1.0"})


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 5, 0.0362, 0.6245), (31, 50, 0.4815, 0.7414), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_rates_have_wilson_s_interval(hits: int, n: int, low: float, high: float) -> None:
    """Reference values from R's `binom.confint(method = "wilson")`."""
    assert Rate(hits, n).wilson() == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
