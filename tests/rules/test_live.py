"""Live rules judge only new points, at or within steps, over the whole run or a window of it."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from autoloop.metrics import default_book
from autoloop.model import Series, UserError
from autoloop.rules import LiveWatch, Rule, default_rules, describe, live_rules, parse_book
from autoloop.text.evidence import evidence_text


def rule(**keys: Any) -> Rule:
    """Return a live rule, with keys as in TOML."""
    lines = {"id": '"r"', "scope": '"live"', "when": '"l1_loss.last > 5"', "reason": '"why"', **keys}
    text = 'name = "n"\nversion = "1"\n[[rule]]\n' + "\n".join(f"{key} = {value}" for key, value in lines.items())
    return parse_book(text, "book.toml").rules[0]


def series(*points: tuple[int, float]) -> Series:
    return Series(steps=array("q", [step for step, _ in points]), values=array("d", [value for _, value in points]))


def watch(*rules: Rule, since: int = 0, config: dict[str, Any] | None = None) -> LiveWatch:
    return LiveWatch(rules, "n 1", default_book(), config or {}, since)


def fires(watch: LiveWatch, *points: tuple[int, float], progress: int | None = None) -> bool:
    columns = {"train/l1_loss": series(*points)} if points else {}
    return bool(watch.fired(columns, points[-1][0] if progress is None else progress))


def test_a_rule_within_steps_looks_at_the_points_within_them_only() -> None:
    looked = watch(rule(between="[300, 500]"))
    assert not fires(looked, (250, 9.0))
    assert not fires(looked, (250, 9.0), (350, 4.0))
    assert fires(looked, (250, 9.0), (350, 4.0), (450, 8.0))
    late = watch(rule(between="[300, 500]"))
    assert fires(late, (250, 1.0), (450, 8.0), (900, 1.0))  # a reader that lags still judges what was seen by then
    assert not fires(watch(rule(between="[300, 500]")), (250, 9.0), (600, 9.0))


def test_a_rule_at_a_step_judges_once_at_the_first_point_from_there_on() -> None:
    looked = watch(rule(at=400))
    assert not fires(looked, (350, 9.0))
    assert not fires(looked, (350, 9.0), (410, 4.0))
    assert not fires(looked, (350, 9.0), (410, 4.0), (450, 9.0))
    assert fires(watch(rule(at=400)), (350, 1.0), (410, 9.0), (900, 1.0))


def test_nothing_is_judged_twice_on_the_same_points() -> None:
    looked = watch(rule(after=10))
    points = [(10, 9.0), (20, 9.0)]
    assert fires(looked, *points)
    assert not fires(looked, *points)
    assert fires(looked, *points, (30, 9.0))


def test_a_plateau_is_judged_over_its_window_once_the_run_has_made_so_many_steps() -> None:
    plateau = rule(when='"l1_loss.pct > -2"', window=200)
    flat = [(step, 1.0) for step in range(300, 501, 25)]
    assert not fires(watch(plateau), *flat[:-1])  # eight points, but only 175 steps
    assert fires(watch(plateau), *flat)
    falling = [(step, 10.0 - step / 100) for step in range(0, 300, 25)]
    assert not fires(watch(plateau), *falling)
    looked = watch(plateau)
    (firing,) = looked.fired({"train/l1_loss": series(*falling, *flat)}, 500)
    assert firing.evidence.observations[0].first_step == 300


def test_what_lies_before_the_checkpoint_of_a_resumed_run_is_not_judged() -> None:
    assert not fires(watch(rule(between="[300, 500]"), since=1000), (400, 9.0), (1100, 9.0))
    assert fires(watch(rule(after=10), since=1000), (400, 9.0), (1100, 9.0))
    assert not fires(watch(rule(after=10), since=1000), (400, 9.0), (1000, 9.0))


def test_a_line_of_the_log_is_remembered_and_is_the_evidence() -> None:
    looked = watch(rule(when="'log_matches(\"Sinkhorn\")'"))
    assert not fires(looked, progress=0)
    looked.read_log(["fine", "Sinkhorn: numerical errors", "later Sinkhorn"])
    (firing,) = looked.fired({}, 1)
    assert evidence_text(firing.evidence) == 'its log says "Sinkhorn: numerical errors"'


def test_a_metric_that_is_no_number_any_more_has_diverged() -> None:
    looked = watch(rule(when="'diverged(\"l1_loss\")'"))
    assert not fires(looked, (1, float("nan")), (2, 1.0))
    assert fires(looked, (1, float("nan")), (2, 1.0), (3, float("inf")))


def test_so_many_values_in_a_row_may_be_asked_for() -> None:
    looked = watch(rule(when="'diverged(\"l1_loss\", 3)'"))
    nan, inf = float("nan"), float("inf")
    assert not fires(looked, (1, nan), (2, nan), (3, 1.0), (4, inf), (5, nan))
    assert fires(looked, (1, nan), (2, nan), (3, 1.0), (4, inf), (5, nan), (6, -inf))
    for slip in ("0", "-1", "True", '"x"', "1, 2"):
        with pytest.raises(UserError, match="diverged takes"):
            rule(when=f"'diverged(\"l1_loss\", {slip})'")


def test_a_gradient_norm_that_mixed_precision_skips_now_and_then_does_not_stop_a_run() -> None:
    nan, inf = float("nan"), float("inf")
    shipped = [each for each in live_rules(default_rules()) if not each.watch or not each.watch.turns]

    def stopped(norms: list[float], losses: list[float] | None = None) -> list[str]:
        found: list[str] = []
        looked = watch(*shipped)
        for end in range(1, len(norms) + 1):
            steps = range(50, end * 50 + 1, 50)
            loss = losses or [1.0] * len(norms)
            columns = {
                "train/grad_norm": series(*zip(steps, norms[:end], strict=True)),
                "train/loss": series(*zip(steps, loss[:end], strict=True)),
            }
            found += [each.rule.id for each in looked.fired(columns, end * 50)]
        return found

    assert stopped([inf, 1.0, 1.0, nan, 1.0, inf, nan, 1.0]) == []
    assert stopped([nan, inf, 1.0, 1.0]) == []
    assert stopped([1.0, nan, nan, nan, nan, nan]) == ["grad-norm-not-finite"]
    assert stopped([1.0, 1.0, 1.0], [1.0, 1.0, nan]) == ["diverged"]


def test_a_silenced_rule_is_quiet_and_higher_priority_comes_first() -> None:
    first, second = rule(id='"a"'), rule(id='"b"', priority=5)
    book = parse_book(
        'name = "n"\nversion = "1"\n'
        + "".join(
            f'[[rule]]\nid = "{name}"\nscope = "live"\nwhen = "steps > 0"\nreason = ""\npriority = {priority}\n'
            for name, priority in (("a", 0), ("b", 5))
        ),
        "book.toml",
    )
    assert [each.id for each in live_rules(book)] == ["b", "a"]
    looked = watch(first, second)
    looked.silence("a")
    assert [firing.rule.id for firing in looked.fired({"train/l1_loss": series((1, 9.0))}, 1)] == ["b"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"scope": '"end"', "changes": '["lr=1"]', "at": 3}, "at: only a rule with scope"),
        ({"scope": '"end"', "changes": '["lr=1"]', "ask": "true"}, "ask: only a rule with scope"),
        ({"scope": '"end"', "changes": '[["lr=1"], ["lr=2"]]'}, "changes: only a rule with scope"),
        ({"at": 3, "between": "[1, 2]"}, "between: at already says when it judges"),
        ({"window": 0}, "window must be at least 1, not 0"),
        ({"relaunches": 2}, "relaunches: the rule has no changes"),
        ({"changes": '["lr=1", ["lr=2"]]'}, "changes: write one list of edits, or several non-empty lists"),
        ({"changes": "[[]]"}, "changes: write one list of edits, or several non-empty lists"),
    ],
)
def test_a_slip_in_a_live_rule_is_one_sentence(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        rule(**keys)
    assert str(error.value).startswith(f'book.toml: rule "r": {message}')


def test_the_shipped_book_has_the_live_rules_of_the_document() -> None:
    assert [describe(each) for each in live_rules(default_rules())] == [
        "diverged: at every step, stops the run",
        "pi-vanished: steps 300–500, relaunches with ot.loss_config.reg@add=0.1 or ot.loss_config.tau_src@mul=2 "
        "ot.loss_config.tau_tgt@mul=2 in turn, at most 2 times",
        "sinkhorn-warning: at every step, relaunches with ot.loss_config.reg@max=0.5 or ot.loss_config.tau_src@mul=2 "
        "ot.loss_config.tau_tgt@mul=2 or ot.loss_config.features.*.weight_label@mul=0.5 ot.lambda_ot@mul=0.7 in turn, "
        "at most 3 times",
        "grad-norm-not-finite: from step 100, stops the run",
        "grad-norm-exploding: from step 100, stops the run",
    ]


@pytest.mark.parametrize(("mass", "expected"), [(9e-7, True), (1e-6, False)])
def test_the_shipped_rule_fires_on_a_vanished_mass_below_its_threshold(mass: float, expected: bool) -> None:
    looked = watch(*live_rules(default_rules()))
    columns = {"train/ot_pi_sum": series((250, mass), (300, mass)), "train/loss": series((250, 1.0), (300, 1.0))}
    assert [firing.rule.id for firing in looked.fired(columns, 300)] == (["pi-vanished"] if expected else [])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("UserWarning: Sinkhorn hit numerical errors", True),
        ("Warning: numerical errors at iteration 3", True),
        ("Sinkhorn did not converge", False),
    ],
)
def test_the_shipped_rule_reads_a_numerical_warning_in_the_log(line: str, expected: bool) -> None:
    looked = watch(*live_rules(default_rules()))
    looked.read_log([line])
    assert [firing.rule.id for firing in looked.fired({}, 1)] == (["sinkhorn-warning"] if expected else [])
