"""Rules see a past run as they would have during training: point by point, and none of its future."""

from __future__ import annotations

import pytest
from autoloop.backtest import PastRun, judge, replay
from autoloop.backtest.replay import Firing
from autoloop.rules import LiveWatch, live_rules, parse_book
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.past import BOOK, BOOKS, live, past, series


def test_a_live_rule_fires_at_the_first_point_that_meets_it_and_once() -> None:
    run = past("a", (100, 1.0), (200, 9.0), (300, 9.5), (400, 1.0))
    (fired,) = replay(run, live({})).fired
    assert (fired.rule, fired.step) == ("r0", 200)
    assert [(each.value, each.last_step) for each in fired.evidence.observations] == [(9.0, 200)]


def test_a_rule_that_the_end_alone_meets_fires_at_the_end_and_not_before() -> None:
    points = [(step, 1.0) for step in range(100, 900, 100)]
    for when in ("loss.max > 5", "loss.last > 5", "loss.delta > 5", "steps >= 900"):
        (fired,) = replay(past("a", *points, (900, 9.0)), live({"when": f'"{when}"'})).fired
        assert fired.step == 900, when
    assert replay(past("a", *points, (900, 9.0)), live({"when": '"loss.n == 3"'})).fired[0].step == 300


def test_the_last_step_is_not_looked_at_because_nothing_is_left_to_be_saved() -> None:
    assert replay(past("a", (500, 1.0), (1000, 9.0)), live({})).fired == []
    assert replay(past("a", (500, 1.0), (1000, 9.0), total=2000), live({})).fired[0].step == 1000


def test_windows_and_single_looks_hold_as_in_an_engine() -> None:
    points = [(step, 9.0) for step in range(100, 1000, 100)]
    assert replay(past("a", *points), live({"between": "[350, 450]"})).fired[0].step == 400
    assert replay(past("a", *points), live({"at": "650"})).fired[0].step == 700
    flat = [(step, 9.0) for step in range(25, 1000, 25)]
    assert replay(past("a", *flat), live({"window": "300", "when": '"loss.pct > -1"'})).fired[0].step == 325
    assert replay(past("a", (100, 9.0), (600, 1.0)), live({"at": "500"})).fired == []


def test_a_log_line_is_seen_once_its_step_has_come() -> None:
    book = live({"when": "'log_matches(\"overflow\")'"})
    run = past("a", (100, 1.0), (200, 1.0), (300, 1.0), lines=[(250, "overflow in step 250")])
    (fired,) = replay(run, book).fired
    assert fired.step == 250
    assert replay(past("a", (100, 1.0), lines=[(1000, "overflow")]), book).fired == []


END = parse_book(
    'name = "n"\nversion = "1"\n[[rule]]\nid = "high"\nwhen = "loss.last > 1"\nreason = "high"\nchanges = ["lr@mul=2"]',
    "book.toml",
    BOOK,
)


def asked(*runs: PastRun) -> dict[str, list[str | None]]:
    found = judge([replay(run, END) for run in runs], END)
    return {run: [request.rule for request in judged.judgement.requests] for run, judged in found.items()}


def test_rules_for_ended_runs_judge_finished_runs_that_have_what_they_need() -> None:
    assert asked(past("a", (100, 9.0))) == {"a": ["high"]}
    assert asked(past("a", (100, 0.5))) == {"a": []}
    assert asked(past("a", (100, 9.0), finished=False)) == {}
    assert asked(past("a", (100, 9.0), metric="other"), past("b")) == {}


def test_rules_leave_a_run_alone_that_confirms_a_config_on_a_fresh_seed() -> None:
    assert replay(past("a", (100, 9.0)), live({})).fired != []
    assert replay(past("a", (100, 9.0), confirms=True), live({})).fired == []
    assert asked(past("a", (100, 9.0)), past("b", (100, 9.0), confirms=True)) == {"a": ["high"]}


def test_runs_that_differ_in_the_seed_only_are_judged_by_their_mean() -> None:
    seeds = [past(name, (100, value), group="g") for name, value in (("a", 1.5), ("b", 0.1))]
    assert asked(*seeds) == {"a": []}
    seeds.append(past("c", (100, 9.0), group="g"))
    assert asked(*seeds, past("d", (100, 1.5))) == {"a": ["high"], "d": ["high"]}
    judged = judge([replay(run, END) for run in seeds], END)["a"]
    assert judged.runs == ["a", "b", "c"]
    (request,) = judged.judgement.requests
    assert request.evidence is not None
    assert request.evidence.runs == ["a", "b", "c"]


def test_a_run_whose_history_is_gone_is_judged_by_what_is_known_of_it() -> None:
    run = past("a", (100, 9.0))
    summary = replay(run, END).summary
    gone = replay(PastRun(run.facts, {}, run.book, summary=summary), live({}))
    assert gone.fired == []
    assert gone.summary == summary
    assert "its history is gone" in gone.notes[0]


def test_a_derived_or_renamed_metric_is_known_by_what_was_logged_by_then() -> None:
    """The built-in book takes the first of several names; a name that is logged later must not hide an earlier one."""
    run = past("a", (100, 9.0), (200, 9.0))
    both = past("a", (100, 9.0), (200, 9.0))
    both = type(both)(both.facts, {**both.columns, "train/loss": series((500, 1.0))}, both.book)
    assert (
        [each.step for each in replay(run, live({})).fired] == [each.step for each in replay(both, live({})).fired] == [100]
    )


def test_of_a_run_with_very_many_points_some_are_skipped_and_that_is_noted() -> None:
    run = past("a", *((step, 9.0 if step > 5000 else 1.0) for step in range(1, 9000)), total=9000)
    replayed = replay(run, live({}))
    assert 5000 < replayed.fired[0].step <= 5010
    assert "one in 5" in replayed.notes[0]


CONDITIONS: list[dict[str, str]] = [
    {"when": '"loss.last > 0.8"'},
    {"when": '"loss.max > 0.9 and loss.n > 3"'},
    {"when": '"loss.pct > -5"', "window": "200"},
    {"when": '"loss.tail_mean > loss.first"', "between": "[300, 700]"},
    {"when": '"acc.last < 0.2"', "at": "400"},
    {"when": '"loss.best_step < 200"', "after": "450"},
    {"when": "'diverged(\"loss\")'"},
]
RULES = live(*CONDITIONS)
NUMBERS = st.one_of(st.floats(0, 1), st.just(float("nan")))
CURVES = st.dictionaries(st.integers(1, 99).map(lambda step: step * 10), NUMBERS, min_size=1, max_size=30)


@given(CURVES, CURVES, st.integers(0, 1000))
def test_what_comes_later_changes_nothing_that_fired_before(
    loss: dict[int, float], acc: dict[int, float], until: int
) -> None:
    """A run cut off at any step fires as the whole run does up to that step, with the same evidence."""

    def fired(last: int) -> list[tuple[str, int, str]]:
        columns = {
            name: series(*points)
            for name, values in (("loss", loss), ("acc", acc))
            if (points := sorted((step, value) for step, value in values.items() if step <= last))
        }
        run = past("a")
        found = replay(type(run)(run.facts, columns, run.book), RULES).fired
        return [(each.rule, each.step, repr(each.evidence)) for each in found]

    whole = fired(1000)
    assert fired(until) == [each for each in whole if each[1] <= until]


@pytest.mark.parametrize("steps", [(), (100,)])
def test_a_run_without_points_fires_nothing(steps: tuple[int, ...]) -> None:
    assert replay(past("a", *((step, 1.0) for step in steps)), live({})).fired == []


NAMES = ("loss", "train/loss", "grad_norm", "train/ot_diag", "train/ot_pi_diag", "train/ot_cost/img_side", "other")
OT = BOOKS.of(("act_ot",))
MORE = {"when": "'other.tail_mean > 0.5 or has(\"train/ot_diag\")'"}
DERIVED = {"when": "'ot_cost.last > 0.5 and not diverged(\"grad_norm\")'"}


@given(st.dictionaries(st.sampled_from(NAMES), CURVES, max_size=5), st.booleans())
def test_rules_see_what_an_engine_shows_them_at_each_point(curves: dict[str, dict[int, float]], derived: bool) -> None:
    """A replay copies only the columns that rules need; an engine passes them all."""
    source = live(*CONDITIONS, MORE, *[DERIVED] * derived, book=OT)
    columns = {name: series(*sorted(curve.items())) for name, curve in curves.items()}
    found = replay(PastRun(past("a").facts, columns, OT), source).fired
    watch = LiveWatch(live_rules(source), "n 1", OT, {})
    shown: list[Firing] = []
    for step in sorted({step for curve in curves.values() for step in curve}):
        so_far = {name: series(*(point for point in each if point[0] <= step)) for name, each in columns.items()}
        for firing in watch.fired(so_far, step):
            shown.append(Firing(firing.rule.id, step, firing.evidence))
            watch.silence(firing.rule.id)
    assert found == shown
