"""Errors for data of the wrong shape: the key, what it must be, what it is, and the nearest known key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from autoloop.text.validation import problem_text


class Part(msgspec.Struct, forbid_unknown_fields=True):
    pattern: str
    limit: int = 0


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    least: Annotated[int, msgspec.Meta(ge=1)] = 1
    above: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    mode: Literal["off", "on", "auto"] = "off"
    gpus: list[int] = []
    names: dict[str, int] = {}
    maybe: str | None = None
    either: str | list[str] = ""
    pair: tuple[str, float] = ("", 0.0)
    filled: Annotated[str, msgspec.Meta(min_length=1)] = "x"
    part: Part | None = None
    parts: list[Part] = []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"gpu": [0]}, 'unknown key "gpu"; did you mean "gpus"?'),
        (
            {"xyz": 1},
            'unknown key "xyz"; known are least, above, mode, gpus, names, maybe, either, pair, filled, part, parts.',
        ),
        ({"part": {"pattern": "x", "limt": 3}}, 'unknown key "part.limt"; did you mean "limit"?'),
        ({"parts": [{"pattern": "x"}, {"patern": "x"}]}, 'unknown key "parts[1].patern"; did you mean "pattern"?'),
        ({"a\nb": 1}, 'unknown key "a\\nb"; known are least,'),
        ({"parts": [{}]}, 'the key "parts[0].pattern" is missing; write pattern = "…".'),
        ({"least": 0}, "least must be at least 1."),
        ({"above": 0}, "above must be more than 0."),
        ({"least": 1.5}, "least must be a whole number, not a decimal number."),
        ({"least": True}, "least must be a whole number, not true or false."),
        ({"mode": "of"}, 'mode must be "auto", "off" or "on", not "of".'),
        ({"mode": 1}, "mode must be a text, not a whole number."),
        ({"gpus": "0"}, "gpus must be a list, not a text."),
        ({"gpus": [0, "1"]}, "gpus[1] must be a whole number, not a text."),
        ({"names": {"a": "b"}}, "a value of names must be a whole number, not a text."),
        ({"maybe": 1}, "maybe must be a text, not a whole number."),
        ({"either": 1}, "either must be a text or a list, not a whole number."),
        ({"pair": ["a"]}, "pair must be a list of 2, not 1."),
        ({"filled": ""}, "filled must not be empty."),
        ({"part": []}, "part must be a table, not a list."),
        (3, "it must be a table, not a whole number."),
    ],
)
def test_a_mistake_is_one_sentence(data: Any, sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(data, Shape)
    text = problem_text(caught.value, Shape)
    assert text.startswith(sentence)
    assert text[-1] in ".?"
    assert "\n" not in text


def test_keys_that_are_written_otherwise_are_named_as_they_are_written() -> None:
    def sentence(data: Any) -> str:
        with pytest.raises(msgspec.ValidationError) as caught:
            msgspec.convert(data, Shape)
        return problem_text(caught.value, Shape, {"when": "mode", "limits": "parts"})

    assert sentence({"mode": "of"}) == 'when must be "auto", "off" or "on", not "of".'
    assert sentence({"whem": "of"}) == 'unknown key "whem"; did you mean "when"?'
    assert sentence({"parts": [3]}) == "limits[0] must be a table, not a whole number."
