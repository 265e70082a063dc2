"""The built-in book has exactly the rules used before, with the same thresholds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from autoloop import api
from autoloop.configs import clamp_changes, parse_edits, resolve
from autoloop.model import MetricSummary
from autoloop.rules import criterion, default_rules, evaluate

from tests.rules.views import metric, quiet, view

EDITS = {
    "ot-mass-low": [
        "ot.loss_config.reg@mul=1.6",
        "ot.loss_config.tau_src@max=0.5",
        "ot.loss_config.tau_tgt@max=0.5",
        "ot.window_size@max=20",
    ],
    "ot-mass-high-cost-flat": ["ot.loss_config.features.*.weight_label@mul=0.5", "ot.lambda_ot@add=-0.05"],
    "l1-plateau": ["policy.optimizer_lr@mul=1.4", "optimizer.lr@mul=1.4", "batch_size@add=4"],
    "grad-norm-high": ["ot.loss_config.reg@mul=1.3", "policy.optimizer_lr@mul=0.7", "optimizer.lr@mul=0.7"],
    "default": ["ot.loss_config.reg@mul=1.2", "ot.window_size@max=20"],
}


def below(value: float) -> float:
    return math.nextafter(value, -math.inf)


def above(value: float) -> float:
    return math.nextafter(value, math.inf)


def fired(**replaced: MetricSummary | None) -> list[str]:
    return [request.rule or "" for request in default_rules().judge(view(quiet(**replaced))).requests]


def test_the_rules_are_the_five_of_the_document_with_their_changes() -> None:
    book = default_rules()
    assert book.default is not None
    at_the_end = {rule.id: list(rule.changes) for rule in book.rules if rule.scope == "end"}
    assert at_the_end | {"default": list(book.default.changes)} == EDITS


@pytest.mark.parametrize(
    ("rule", "at", "beyond"),
    [
        ("ot-mass-low", {"ot_pi_sum": metric(last=1e-3)}, {"ot_pi_sum": metric(last=below(1e-3))}),
        (
            "ot-mass-high-cost-flat",
            {"ot_pi_sum": metric(last=0.3), "ot_cost": metric(pct=-9.0)},
            {"ot_pi_sum": metric(last=above(0.3)), "ot_cost": metric(pct=-9.0)},
        ),
        (
            "ot-mass-high-cost-flat",
            {"ot_pi_sum": metric(last=0.4), "ot_cost": metric(pct=-10.0)},
            {"ot_pi_sum": metric(last=0.4), "ot_cost": metric(pct=above(-10.0))},
        ),
        ("l1-plateau", {"l1_loss": metric(pct=-2.0)}, {"l1_loss": metric(pct=above(-2.0))}),
        ("grad-norm-high", {"grad_norm": metric(last=100.0)}, {"grad_norm": metric(last=above(100.0))}),
    ],
)
def test_each_rule_fires_beyond_its_threshold_and_not_at_it(
    rule: str, at: dict[str, MetricSummary], beyond: dict[str, MetricSummary]
) -> None:
    assert fired(**at) == ["default"]
    assert fired(**beyond) == [rule]


def test_several_rules_may_fire_on_one_run_in_the_order_of_the_book() -> None:
    assert fired(ot_pi_sum=metric(last=0.0), l1_loss=metric(pct=0.0), grad_norm=metric(last=500.0)) == [
        "ot-mass-low",
        "l1-plateau",
        "grad-norm-high",
    ]


def test_a_quiet_run_gets_the_default_with_what_the_rules_looked_at() -> None:
    (request,) = default_rules().judge(view()).requests
    assert (request.rule, request.edits) == ("default", EDITS["default"])
    assert [o.name for o in request.evidence.observations] == [
        "ot_pi_sum.last",
        "ot_pi_sum.last",
        "l1_loss.pct",
        'infinite("grad_norm")',
        "grad_norm.last",
    ]


@pytest.mark.parametrize("points", [1, 2, 7])
def test_a_few_points_are_no_plateau(points: int) -> None:
    assert fired(l1_loss=metric(pct=0.0, n=points)) == ["default"]
    assert fired(ot_pi_sum=metric(last=0.5), ot_cost=metric(pct=0.0, n=points)) == ["default"]
    assert fired(l1_loss=metric(pct=0.0, n=8)) == ["l1-plateau"]


def test_a_wide_tau_is_not_narrowed() -> None:
    low = next(rule for rule in default_rules().rules if rule.id == "ot-mass-low")
    for tau, after in ((5.0, None), (0.5, None), (0.1, 0.5)):
        config = {"ot": {"loss_config": {"reg": 0.1, "tau_src": tau, "tau_tgt": tau}, "window_size": 5}}
        changes = {change.path: change.after for change in resolve(config, parse_edits(low.changes))}
        assert changes.get("ot.loss_config.tau_src", tau) == (tau if after is None else after)


@pytest.mark.parametrize(
    ("entry", "reasons"),
    [
        ({"train/ot_ot_pi_sum": {"last": 2.6e-85}}, ["OT mass near zero"]),
        ({"train/ot_pi_sum": {"first": 0.1, "last": 2.6e-85}}, ["OT mass near zero"]),
        ({"train/grad_norm": {"last": 240.0}}, ["Gradient norm high"]),
        ({"train/grad_norm": {"first": 3.0, "last": math.inf}}, ["Gradient norm high"]),
        ({"train/grad_norm": {"last": "Infinity"}, "train/l1_loss": {"last": 0.4}}, ["Gradient norm high"]),
        ({"train/grad_norm": {"first": 3.0, "last": math.nan}}, ["No rule fired"]),
        ({"train/ot_pi_sum": {"last": math.nan}}, ["No rule fired"]),
        ({"train/l1_loss": {"last": 0.4}}, ["No rule fired"]),
        ({"train/l1_loss": {"first": 0.4, "last": 0.399, "best": 0.39, "best_step": 900, "pct": -0.2}}, ["L1 hardly falls"]),
        ({}, []),
    ],
)
def test_summaries_of_the_original_get_its_answers(entry: dict[str, Any], reasons: list[str]) -> None:
    decisions = api.decide({**entry, "steps": 1900})
    assert [decision.reason.partition(":")[0] for decision in decisions] == reasons


def test_a_run_without_any_metric_gets_no_proposal_and_says_so() -> None:
    judgement = default_rules().judge(view({}))
    assert judgement.requests == []
    assert "rule ot-mass-low: metric train/ot_pi_sum never appeared with a finite value" in judgement.notes
    assert judgement.notes[-1] == "the run has no metrics, so the default is not proposed either"


def test_the_cost_is_the_action_term_before_any_image_term() -> None:
    high = {**quiet(ot_cost=None), "train/ot_pi_sum": metric(last=0.5)}
    image = {"train/ot_cost/img_side": metric(pct=0.0)}
    action = {"train/ot_cost/action_lbl": metric(pct=-50.0)}
    assert [f.rule for f in default_rules().judge(view(high | image)).requests] == ["ot-mass-high-cost-flat"]
    assert [f.rule for f in default_rules().judge(view(high | image | action)).requests] == ["default"]


def test_lambda_ot_is_never_lowered_under_its_floor() -> None:
    (request,) = default_rules().judge(view(quiet(ot_pi_sum=metric(last=0.5), ot_cost=metric(pct=0.0)))).requests
    config = {"ot": {"lambda_ot": 0.05, "loss_config": {"features": [{"weight_label": 0.01}]}}}
    changes = clamp_changes(resolve(config, parse_edits(request.edits)), request.clamp)
    by_path = {change.path: change for change in changes}
    assert by_path["ot.lambda_ot"].after == 0.02
    assert by_path["ot.lambda_ot"].note == "limited to the rule's minimum of 0.02 instead of 0.0"
    assert by_path["ot.loss_config.features.0.weight_label"].after == 0.005
    assert by_path["ot.loss_config.features.0.weight_label"].note is None


WORTH = {
    "ot_pi_sum": metric(last=0.05),
    "ot_loss": metric(last=above(1e-9)),
    "eval_l1": metric(pct=-10.0),
    "grad_norm": metric(last=below(60.0)),
}


@pytest.mark.parametrize(
    ("replaced", "holds"),
    [
        ({}, True),
        ({"ot_pi_sum": metric(last=0.30)}, True),
        ({"ot_pi_sum": metric(last=below(0.05))}, False),
        ({"ot_pi_sum": metric(last=above(0.30))}, False),
        ({"ot_loss": metric(last=1e-9)}, False),
        ({"eval_l1": metric(pct=above(-10.0))}, False),
        ({"grad_norm": metric(last=60.0)}, False),
    ],
)
def test_worth_200k_holds_exactly_within_the_drivers_bounds(replaced: dict[str, MetricSummary], holds: bool) -> None:
    assert evaluate(criterion("worth-200k").when, view(quiet(**{**WORTH, **replaced}))).holds is holds
