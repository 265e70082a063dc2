"""Rule books: what a file may contain, and how mistakes are reported."""

from __future__ import annotations

import pytest
from autoloop.configs import Bounds
from autoloop.model import UserError
from autoloop.rules import criterion, default_rules, parse_book
from hypothesis import given
from hypothesis import strategies as st

BOOK = """
name = "mine"
version = 3

[[rule]]
id = "low"
when = '''
ot_pi_sum.last < 1e-3
and config("ot.lambda_ot") > 0
'''
reason = "too low"
changes = ["ot.loss_config.reg@mul=1.6", "ot.window_size=20"]
priority = 5
[rule.clamp]
"ot.loss_config.reg" = { max = 2 }
"ot.loss_config.features.*.weight_label" = { min = 0.001, max = 1.0 }

[[rule]]
id = "hopeless"
scope = "live"
between = [300, 500]
when = "ot_pi_sum.last < 1e-6"
reason = "hopeless"

[default]
reason = "nothing to say"
changes = ["seed@add=1"]

[until.good]
description = "good enough"
when = "eval_l1.last < 0.1"
"""


def refused(text: str) -> str:
    with pytest.raises(UserError) as raised:
        parse_book(text, "my.toml")
    message = str(raised.value)
    assert message.startswith("my.toml")
    assert "\n" not in message
    return message.removeprefix("my.toml: ")


def with_rule(**keys: str) -> str:
    """Return a book with one valid rule whose keys are replaced by TOML text; an empty text omits the key."""
    good = {"id": '"a"', "when": '"steps > 1"', "reason": '"r"', "changes": '["seed@add=1"]'}
    lines = [f"{key} = {value}" for key, value in {**good, **keys}.items() if value]
    return 'name = "n"\nversion = "1"\n[[rule]]\n' + "\n".join(lines)


def test_a_book_is_read_in_full() -> None:
    book = parse_book(BOOK, "my.toml")
    low, hopeless = book.rules
    assert (book.name, book.version) == ("mine", "3")
    assert low.when.text == 'ot_pi_sum.last < 1e-3 and config("ot.lambda_ot") > 0'
    assert (low.changes, low.priority, low.scope) == (("ot.loss_config.reg@mul=1.6", "ot.window_size=20"), 5, "end")
    assert low.clamp == {
        "ot.loss_config.reg": Bounds(max=2),
        "ot.loss_config.features.*.weight_label": Bounds(min=0.001, max=1.0),
    }
    assert (hopeless.scope, hopeless.changes) == ("live", ())
    assert hopeless.watch is not None
    assert (hopeless.watch.first, hopeless.watch.last, hopeless.watch.turns) == (300, 500, ())
    assert book.default is not None
    assert book.default.changes == ("seed@add=1",)
    assert book.until["good"].description == "good enough"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "my.toml is not valid TOML: Invalid value (at end of document)"),
        ('name = "n"\nname = "m"', "my.toml is not valid TOML: "),
        ('version = "1"', 'the key "name" is missing; write name = '),
        ('name = "n"\nversion = "1"', "the book contains no [[rule]]"),
        ('name = 3\nversion = "1"', "name must be a text, not a whole number"),
        ('name = "n"\nversion = "1"\nrules = []', 'unknown key "rules"; did you mean "rule"?'),
        ('name = "n"\nversion = "1"\nxyz = 1', 'unknown key "xyz"; known are name, version, rule, default, until'),
        ('name = "n"\nversion = "1"\nrule = 3', "rule must be a list, not a whole number"),
        ('name = "n"\nversion = "1"\nrule = [3]', "rule 1: it must be a table, not a whole number"),
        (with_rule(whne='"steps > 1"', when=""), 'rule "a": unknown key "whne"; did you mean "when"?'),
        (with_rule(when=""), 'rule "a": the key "when" is missing; write when = '),
        (with_rule(id=""), 'rule 1: the key "id" is missing; write id = '),
        (with_rule(id="3"), "rule 1: id must be a text, not a whole number"),
        (with_rule(id='""'), "rule 1: id: a rule needs a unique id"),
        (with_rule(id='"default"'), 'rule "default": id: a rule needs a unique id'),
        (with_rule() + with_rule()[len('name = "n"\nversion = "1"') :], 'two rules have the id "a"'),
        (with_rule(when='"ot_pi_sun.last < 1"'), 'rule "a": when: unknown name "ot_pi_sun"; did you mean "ot_pi_sum"?'),
        (with_rule(when="3"), 'rule "a": when must be a text, not a whole number'),
        (with_rule(changes='["seed@mull=1"]'), 'rule "a": changes: In the edit "seed@mull=1" the operation "mull"'),
        (with_rule(changes="[3]"), 'rule "a": changes[0] must be a text or a list, not a whole number'),
        (with_rule(changes="[]"), 'rule "a": changes: a rule for a run that has ended needs at least one edit'),
        (with_rule(priority="1.5"), 'rule "a": priority must be a whole number, not a decimal number'),
        (with_rule(scope='"lively"'), 'rule "a": scope must be "end" or "live", not "lively"'),
        (with_rule(between="[1, 2]"), 'rule "a": between: only a rule with scope = "live"'),
        (with_rule(scope='"live"', between="[5, 2]"), 'rule "a": between: write two steps in ascending order'),
        (with_rule(scope='"live"', between="[5]"), 'rule "a": between: write two steps'),
        (with_rule(scope='"live"', when='"gpu.power > 1"'), 'rule "a": when: gpu.power is known only after a run has ended'),
        (with_rule(clamp='{ "seed" = { mn = 1 } }'), 'rule "a": clamp "seed": unknown key "mn"; did you mean "min"?'),
        (with_rule(clamp='{ "seed" = {} }'), 'rule "a": clamp "seed": give a min, a max or both'),
        (with_rule(clamp='{ "seed" = { min = 2, max = 1 } }'), 'rule "a": clamp "seed": give a min, a max or both'),
        (with_rule(clamp='{ "seed" = { min = nan } }'), 'rule "a": clamp "seed": give a min, a max or both'),
        (with_rule(clamp='{ "seed" = 3 }'), 'rule "a": clamp "seed": it must be a table, not a whole number'),
        (with_rule() + '\n[default]\nreason = "r"\nchange = []', '[default]: unknown key "change"; did you mean'),
        (with_rule() + '\n[default]\nreason = "r"\nchanges = ["x"]', '[default]: changes: "x" is not an edit'),
        (with_rule() + '\n[until.good]\nwhen = "steps > 1"', '[until.good]: the key "description" is missing'),
        (with_rule() + '\n[until.good]\ndescription = ""\nwhen = "1"', "[until.good]: when: 1 is a number"),
    ],
)
def test_a_slip_is_one_sentence_with_file_rule_and_key(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_until_takes_a_name_or_a_condition() -> None:
    book = parse_book(BOOK, "my.toml")
    assert criterion("good", book).when is book.until["good"].when
    assert criterion("worth-200k", book).when is default_rules().until["worth-200k"].when
    assert criterion("steps > 100").when.text == "steps > 100"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worth-20k", '--until: there is no criterion "worth-20k"; did you mean "worth-200k"?'),
        ("stps > 3", '--until: unknown name "stps"; did you mean "steps"? (column 1)'),
    ],
)
def test_until_refuses_a_slip(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        criterion(text)
    assert str(raised.value) == message


@given(st.integers(0, len(BOOK) - 1), st.integers(1, 8), st.text(max_size=5))
def test_a_damaged_book_is_read_or_refused_in_a_sentence(at: int, width: int, put: str) -> None:
    try:
        parse_book(BOOK[:at] + put + BOOK[at + width :], "my.toml")
    except UserError as error:
        sentence = str(error)
    else:
        return
    assert sentence.startswith("my.toml")


def test_a_book_that_no_person_wrote_is_refused_at_once() -> None:
    rule = '[[rule]]\nid = "r{}"\nwhen = "steps > 1"\nreason = "r"\nchanges = ["lr@mul=2"]\n'
    book = 'name = "n"\nversion = "1"\n' + "".join(rule.format(number) for number in range(1001))
    assert "holds 1001 rules, but the limit is 1000" in refused(book)
    assert "larger than 1 MiB" in refused(book * 20)
    assert len(parse_book(book[: book.rindex("[[rule]]")], "b.toml").rules) == 1000
