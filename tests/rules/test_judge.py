"""Judging a run: order, default, notes, evidence, and the bounds on what a rule changes."""

from __future__ import annotations

import msgspec
from autoloop.model import Change, Evidence
from autoloop.rules import Bounds, act_ot_book, clamp_changes, judge, parse_book

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
    firings = judge(parse_book(text, "t"), view()).firings
    assert [(firing.rule, firing.priority) for firing in firings] == [("b", 2), ("d", 2), ("a", 0), ("e", -1)]
    assert firings[0].reason == "because b"


def test_the_default_is_for_a_run_on_which_no_end_rule_fired() -> None:
    live = rule("live", "steps > 1", scope='"live"')
    fired = judge(parse_book(book(rule("a", "steps > 1"), live, default=DEFAULT), "t"), view()).firings
    assert [firing.rule for firing in fired] == ["a"]
    none = judge(parse_book(book(rule("a", "steps < 1"), live, default=DEFAULT), "t"), view()).firings
    assert [(firing.rule, firing.edits) for firing in none] == [("default", ["seed@add=2"])]


def test_a_book_without_default_proposes_nothing_where_no_rule_fires() -> None:
    assert judge(parse_book(book(rule("a", "steps < 1")), "t"), view()).firings == []


def test_a_rule_that_cannot_be_decided_is_named_and_the_others_go_on() -> None:
    text = book(rule("a", "kld_loss.last < 1"), rule("b", 'config("ot.x") < 1'), rule("c", "steps > 1"))
    judgement = judge(parse_book(text, "t"), view())
    assert [firing.rule for firing in judgement.firings] == ["c"]
    assert judgement.notes == [
        "rule a: metric train/kld_loss never appeared with a finite value",
        'rule b: config("ot.x") is not in the config: there is no ot in the config',
    ]


def test_a_firing_carries_its_whole_evidence_and_can_be_stored() -> None:
    run = view(quiet(ot_pi_sum=metric(0.6, 0.5), ot_cost=metric(1.0, 0.95)))
    (firing,) = judge(act_ot_book(), run).firings
    evidence = firing.evidence
    assert (evidence.rule, evidence.rule_version) == ("ot-mass-high-cost-flat", "act_ot 3")
    assert evidence.when == "ot_pi_sum.last > 0.3 and ot_cost.n > 2 and ot_cost.pct > -10"
    assert [(o.name, o.op, o.threshold, o.holds, o.metric, o.n) for o in evidence.observations] == [
        ("ot_pi_sum.last", ">", 0.3, True, "train/ot_pi_sum", 40),
        ("ot_cost.n", ">", 2, True, "ot_cost", 40),
        ("ot_cost.pct", ">", -10, True, "ot_cost", 40),
    ]
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence


def test_the_same_run_is_judged_the_same() -> None:
    assert judge(act_ot_book(), view()) == judge(act_ot_book(), view())


def clamped(path: str, after: object, clamp: dict[str, Bounds]) -> tuple[object, str | None]:
    (change,) = clamp_changes([Change(path=path, before=1, after=after)], clamp)
    return change.after, change.note


def test_a_value_beyond_a_bound_is_held_at_it_and_says_so() -> None:
    bounds = {"a.b": Bounds(min=0.02, max=8)}
    assert clamped("a.b", -0.03, bounds) == (0.02, "held at the rule's minimum 0.02, not -0.03")
    assert clamped("a.b", 9.5, bounds) == (8, "held at the rule's maximum 8, not 9.5")
    assert clamped("a.b", 0.02, bounds) == (0.02, None)
    assert clamped("a.b", 8, bounds) == (8, None)


def test_a_whole_number_stays_one_where_the_bound_is_whole() -> None:
    after, _ = clamped("batch_size", 12, {"batch_size": Bounds(max=8.0)})
    assert (after, type(after)) == (8, int)


def test_a_bound_holds_for_the_paths_its_pattern_names_and_no_others() -> None:
    bounds = {"ot.features.*.weight": Bounds(max=1.0), "ot.*": Bounds(max=2.0)}
    assert clamped("ot.features.3.weight", 5.0, bounds)[0] == 1.0
    assert clamped("ot.lambda", 5.0, bounds)[0] == 2.0
    assert clamped("ot.features.3.other", 5.0, bounds)[0] == 5.0
    assert clamped("xot.lambda", 5.0, bounds)[0] == 5.0


def test_what_is_no_number_is_left_alone() -> None:
    for value in ("text", True, None, [9]):
        assert clamped("a", value, {"a": Bounds(max=0)}) == (value, None)


def test_a_note_that_was_there_is_kept() -> None:
    (change,) = clamp_changes([Change(path="a", before=1, after=9, note="rounded")], {"a": Bounds(max=8)})
    assert change.note == "rounded; held at the rule's maximum 8, not 9"
