"""Judging a run: order, default, notes and evidence."""

from __future__ import annotations

import msgspec
from autoloop.model import Evidence
from autoloop.rules import default_rules, parse_book

from tests.rules.views import metric, quiet, view


def book(*rules: str, default: str = "") -> str:
    return 'name = "mine"\nversion = "3"\n' + "".join(rules) + default


def rule(name: str, when: str, **keys: object) -> str:
    more = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f"[[rule]]\nid = '{name}'\nwhen = '{when}'\nreason = 'because {name}'\nchanges = ['seed@add=1']\n{more}"


DEFAULT = '[default]\nreason = "else"\nchanges = ["seed@add=2"]\n'


def test_firings_come_by_priority_and_then_in_the_order_of_the_book() -> None:
    text = book(
        rule("a", "steps > 1"),
        rule("b", "steps > 1", priority=2),
        rule("c", "steps < 1", priority=9),
        rule("d", "steps > 1", priority=2),
        rule("e", "steps > 1", priority=-1),
    )
    requests = parse_book(text, "t").judge(view()).requests
    assert [(request.rule, request.priority) for request in requests] == [("b", 2), ("d", 2), ("a", 0), ("e", -1)]
    assert requests[0].reason == "because b"


def test_the_default_is_for_a_run_on_which_no_end_rule_fired() -> None:
    live = rule("live", "steps > 1", scope='"live"')
    fired = parse_book(book(rule("a", "steps > 1"), live, default=DEFAULT), "t").judge(view()).requests
    assert [request.rule for request in fired] == ["a"]
    none = parse_book(book(rule("a", "steps < 1"), live, default=DEFAULT), "t").judge(view()).requests
    assert [(request.rule, request.edits) for request in none] == [("default", ["seed@add=2"])]


def test_a_book_without_default_proposes_nothing_where_no_rule_fires() -> None:
    assert parse_book(book(rule("a", "steps < 1")), "t").judge(view()).requests == []


def test_a_rule_that_cannot_be_decided_is_named_and_the_others_go_on() -> None:
    text = book(rule("a", "kld_loss.last < 1"), rule("b", 'config("ot.x") < 1'), rule("c", "steps > 1"))
    judgement = parse_book(text, "t").judge(view())
    assert [request.rule for request in judgement.requests] == ["c"]
    assert judgement.notes == [
        "rule a: metric train/kld_loss never appeared with a finite value",
        'rule b: config("ot.x") is not in the config: there is no ot in the config',
    ]


def test_a_firing_carries_its_whole_evidence_and_can_be_stored() -> None:
    run = view(quiet(ot_pi_sum=metric(0.6, 0.5), ot_cost=metric(1.0, 0.95)))
    (request,) = default_rules().judge(run).requests
    evidence = request.evidence
    assert (evidence.rule, evidence.rule_version) == ("ot-mass-high-cost-flat", "act_ot 4")
    assert evidence.when == "ot_pi_sum.last > 0.3 and ot_cost.pct > -10"
    assert [(o.name, o.op, o.threshold, o.holds, o.metric, o.n) for o in evidence.observations] == [
        ("ot_pi_sum.last", ">", 0.3, True, "train/ot_pi_sum", 40),
        ("ot_cost.pct", ">", -10, True, "ot_cost", 40),
    ]
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence


def test_the_same_run_is_judged_the_same() -> None:
    assert default_rules().judge(view()) == default_rules().judge(view())
