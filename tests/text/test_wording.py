"""Shared wording: suggestions of similar words, and plurals."""

from __future__ import annotations

from autoloop.text.plural import noun_for, plural
from autoloop.text.suggest import did_you_mean, nearest


def test_a_slip_of_a_known_word_is_recognised_whatever_its_case() -> None:
    assert nearest("Lambada", ["alpha", "lambda"]) == "lambda"
    assert nearest("lambda", ["LAMBDA"]) == "LAMBDA"
    assert nearest("zebra", ["alpha", "lambda"]) is None


def test_a_hint_names_the_nearest_word_or_says_something_else() -> None:
    assert did_you_mean("gpu", ["gpus", "name"]) == "did you mean gpus?"
    assert did_you_mean("gpu", ["gpus"], quote='"') == 'did you mean "gpus"?'
    assert did_you_mean("zebra", ["gpus"], "known: gpus.") == "known: gpus."


def test_one_thing_is_singular_and_every_other_number_plural() -> None:
    assert [plural(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert noun_for(2, "proposal") == "proposals"
