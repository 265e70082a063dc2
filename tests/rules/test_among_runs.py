"""Conditions on a config among others: replicates, noise between seeds, the verdict against its base."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from autoloop.metrics import default_book
from autoloop.model import Evidence, Run, UserError
from autoloop.rules import RunView, compile_expression, evaluate, parse_book
from autoloop.text.evidence import evidence_text
from autoloop.verdicts import BaseComparison, Judge, base_of

from tests.verdicts.test_judge import L1, run, seeds


def among(runs: list[Run], mine: Run, base: Run | None, **given: Any) -> RunView:
    assert mine.summary is not None
    config = BaseComparison(Judge(runs, default_book()), mine, base)
    return RunView(mine.summary, against=lambda: config, **given)


BASE = seeds("base", 0.5)
BETTER = seeds("better", 0.4, round=2, base_run="base0")
WORSE = seeds("worse", 0.6, round=2, base_run="base0")
ALONE = run("alone", 0.3, "alone", "1", round=2, base_run="base0")
ALL = [*BASE, *BETTER, *WORSE, ALONE]


def holds(text: str, mine: Run, base: Run | None = BASE[0], runs: list[Run] = ALL) -> bool:
    verdict = evaluate(text, among(runs, mine, base))
    assert verdict.notes == []
    return verdict.holds


def why_not(text: str, mine: Run, base: Run | None = BASE[0], runs: list[Run] = ALL) -> str:
    verdict = evaluate(text, among(runs, mine, base))
    assert not verdict.holds
    (note,) = verdict.notes
    return note


def test_a_config_is_better_than_its_base_only_if_that_has_been_shown() -> None:
    asks = f'better_than_base("{L1}")'
    assert holds(asks, BETTER[0])
    assert not holds(asks, WORSE[0])
    assert holds(f"not {asks}", WORSE[0])


def test_what_is_not_known_decides_neither_a_condition_nor_its_opposite() -> None:
    few = [BASE[0], run("x", 0.3, "x", "1", round=2)]
    for text in (f'better_than_base("{L1}")', f'not better_than_base("{L1}")', f'steps < 0 or better_than_base("{L1}")'):
        note = why_not(text, few[1], few[0], few)
        assert "is unknown: -0.201 (tail mean), within the run only: no config was run with two seeds" in note
    unsure = run("y", 0.4985, "y", "1", round=2)
    note = why_not(f'better_than_base("{L1}")', unsure, BASE[0], [*BASE, unsure])
    assert "is unknown: not enough runs: " in note
    assert "more runs would settle it" in note


def test_a_config_that_was_given_has_no_base_to_be_better_than() -> None:
    note = why_not(f'better_than_base("{L1}")', BASE[0], None)
    assert note == f'better_than_base("{L1}") is unknown: the config has no base'
    failed = msgspec.structs.replace(BASE[0], state="failed")
    assert "its base, base0 (base0), has not finished" in why_not(f'verdict("{L1}") == "worse"', BETTER[0], failed)


def test_a_run_outside_a_loop_has_nothing_to_be_compared_with() -> None:
    assert BETTER[0].summary is not None
    for text in (f'better_than_base("{L1}")', f'noise("{L1}") > 0', f'verdict("{L1}") != "worse"', "n > 0"):
        verdict = evaluate(text, RunView(BETTER[0].summary))
        assert (verdict.holds, len(verdict.notes)) == (False, 1)
        assert "is unknown: runs are compared within a loop" in verdict.notes[0]


def test_n_is_the_number_of_finished_runs_of_the_config() -> None:
    assert holds("n == 4", BETTER[2])
    assert holds("n < 2", ALONE)


def test_noise_is_the_standard_deviation_between_seeds() -> None:
    noise = Judge(ALL, default_book()).noise(L1)
    assert noise is not None
    assert holds(f'noise("{L1}") > {noise.sd * 0.999} and noise("{L1}") < {noise.sd * 1.001}', ALONE)
    assert "is unknown: within the run only" in why_not(f'noise("{L1}") > 0', ALONE, None, [ALONE])


def test_a_verdict_is_compared_in_its_words() -> None:
    assert holds(f'verdict("{L1}") == "better"', BETTER[0])
    assert holds(f'"worse" == verdict("{L1}")', WORSE[0])
    few = [BASE[0], ALONE]
    assert holds(f'verdict("{L1}") == "not enough runs"', ALONE, BASE[0], few)


def test_a_metric_that_the_run_lacks_is_missing() -> None:
    for text in ("noise(grad_norm) > 0", "better_than_base(grad_norm)", 'verdict("grad_norm") == "better"'):
        verdict = evaluate(text, among(ALL, BETTER[0], BASE[0]))
        assert (verdict.holds, verdict.missing) == (False, ["train/grad_norm"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('beter_than_base("x")', 'there is no function "beter_than_base"; did you mean "better_than_base"? (column 1)'),
        ('verdct("x") == "better"', 'there is no function "verdct"; did you mean "verdict"? (column 1)'),
        ('verdict("x") == "beter"', 'verdict("x") is never "beter"; did you mean "better"? (column 1)'),
        ('verdict("x") == "zzz"', 'is never "zzz"; it is one of better, worse, higher, lower, no difference shown'),
        ('verdict("x") > 1', "which > cannot compare"),
        ('verdict("x") == 1', "which are never equal"),
        ('noise("x")', "is a number, not a condition"),
        ("better_than_base()", 'better_than_base takes one text in quotes, as in better_than_base("…")'),
        ("noise > 1", "noise is a function; write noise(…)"),
    ],
)
def test_slips_are_refused_with_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        compile_expression(text)
    assert message in str(raised.value)


def test_metrics_of_these_names_can_be_asked_for_as_before() -> None:
    for text in ("noise.last > 1", "n.last > 1", "verdict.last > 1"):
        assert compile_expression(text).metrics == {text.partition(".")[0]}


def test_evidence_says_what_a_verdict_rests_on() -> None:
    text = f'better_than_base("{L1}") and metric("{L1}").last < 10 * noise("{L1}") + 0.5 and n >= 4'
    verdict = evaluate(text, among(ALL, BETTER[0], BASE[0]))
    assert verdict.holds
    evidence = Evidence(rule="r", rule_version="1", when=text, observations=verdict.observations)
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence
    words = evidence_text(evidence)
    assert f'better_than_base("{L1}"): better: -0.1 (tail mean) [' in words
    assert "n 4 and 4" in words
    assert "(12 runs of 3 configs)" in words
    assert "n = 4 >= 4" in words


LIVE = '''
name = "t"
version = "1"
[[rule]]
id = "a"
scope = "live"
reason = "r"
when = """WHEN"""
'''


@pytest.mark.parametrize("text", ['better_than_base("x")', 'verdict("x") == "worse"', "n > 2", "steps > 1 and n > 2"])
def test_a_live_rule_cannot_ask_about_runs_that_have_finished(text: str) -> None:
    with pytest.raises(UserError, match=r'needs finished runs, but live rules .* scope = "end"'):
        parse_book(LIVE.replace("WHEN", text), "book.toml")


def test_a_live_rule_may_ask_for_the_noise() -> None:
    parse_book(LIVE.replace("WHEN", "l1_loss.last > 1 + 3 * noise(l1_loss)"), "book.toml")


def test_the_base_of_a_replicate_is_that_of_its_config() -> None:
    made = run("made", 0.4, "better", "1", round=2, base_run="given")
    again = run("again", 0.4, "better", "2", round=3, base_run="made")
    by_id = {each.id: each for each in (run("given", 0.5, "base"), made, again)}
    assert base_of(again, by_id.get) is by_id["given"]
    assert base_of(by_id["given"], by_id.get) is None
