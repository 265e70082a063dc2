"""Configs as text: what is refused, the position given by errors, and that writing preserves what was read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from autoloop.configs import Config, dump_config, parse_config
from autoloop.model import UserError
from hypothesis import given
from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
configs = st.dictionaries(st.text(max_size=6), json_values, max_size=5)


def refused(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(text, "cfg.json")
    return str(caught.value)


@given(configs)
def test_a_config_written_and_read_back_is_the_same_with_the_same_types(config: Config) -> None:
    text = dump_config(config)
    again = parse_config(text, "cfg.json")
    assert json.dumps(again) == json.dumps(config)
    assert text.endswith("\n")
    assert text.encode()


def test_integers_and_key_order_survive() -> None:
    text = dump_config(parse_config('{"z": 12, "a": {"kl": 10.0, "字": "文"}}', "cfg.json"))
    assert text == '{\n    "z": 12,\n    "a": {\n        "kl": 10.0,\n        "字": "文"\n    }\n}\n'


def test_broken_json_is_placed_by_line_and_column() -> None:
    assert refused('{\n  "a": 1,\n}').startswith("cfg.json, line 3, column 1: invalid JSON (")


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_config('\ufeff{"a": 1}', "cfg.json") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            '{"a": {"reg": 1},\n "b": {"reg": 2, "x": {"reg": 5},\n   "reg": 3}}',
            "line 3, column 4",
            '"reg" appears twice',
        ),
        ('{"NaN": "NaN",\n "b": [1, NaN]}', "line 2, column 11", "NaN is not allowed"),
        ('{"b": -Infinity}', "line 1, column 7", "-Infinity is not allowed"),
        ('{"b":\n1e999}', "line 2, column 1", "1e999 is too large"),
    ],
)
def test_what_json_allows_and_a_trainer_would_not_is_refused_with_its_place(text: str, place: str, words: str) -> None:
    message = refused(text)
    assert f"cfg.json, {place}: " in message
    assert words in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "must be one JSON object"),
        ("", "invalid JSON"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
    ],
)
def test_other_bad_configs_get_one_sentence(text: Any, words: str) -> None:
    message = refused(text)
    assert words in message
    assert message.startswith("cfg.json")
    assert "\n" not in message


def test_a_config_holding_nan_or_an_object_is_not_written() -> None:
    with pytest.raises(UserError, match="cannot be written"):
        dump_config({"a": float("nan")})
    with pytest.raises(UserError, match="cannot be written"):
        dump_config({"a": object()})


@given(st.text() | st.text(alphabet='{}[]",:ea\\u01-NIinfity \n'))
def test_any_text_parses_or_is_a_user_error(text: str) -> None:
    try:
        config = parse_config(text, "cfg.json")
    except UserError:
        return
    assert isinstance(config, dict)
