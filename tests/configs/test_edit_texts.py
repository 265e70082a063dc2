"""The syntax of edits, and what is not an edit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from autoloop.configs import (
    edits_from_mapping,
    parse_edit,
    parse_edits,
)
from autoloop.model import UserError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "op", "value"),
    [
        ("a.b=3", "set", 3),
        ("a.b@set=true", "set", True),
        ("a.b=null", "set", None),
        ("a.b=[0,8]", "set", [0, 8]),
        ('a.b={"x": 1}', "set", {"x": 1}),
        ("a.b@mul=1e-4", "mul", 1e-4),
        ("a.b=plain words=and more", "set", "plain words=and more"),
        ('a.b="3"', "set", "3"),
        ('a.b=""', "set", ""),
        ("  a.b @max = 20 ", "max", 20),
        ("a.b@add=-0.05", "add", -0.05),
        ("a.b=a@b", "set", "a@b"),
    ],
)
def test_an_edit_is_read_as_it_is_written(text: str, op: str, value: Any) -> None:
    edit = parse_edit(text)
    assert (edit.path, edit.op, edit.value, edit.text) == (("a", "b"), op, value, text.strip())
    assert type(edit.value) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not an edit"),
        ("a.b", "is not an edit"),
        ("a.b@mull=2", 'did you mean "mul"?'),
        ("a.b@zzz=2", "use one of set, new, mul, add, min, max, del"),
        ("a..b=1", "empty part"),
        ("=1", "empty part"),
        ("@mul=1", "empty part"),
        ("a.b=", "has no value"),
        ("a.b=NaN", "NaN is not allowed"),
        ("a.b=[1, -Infinity]", "-Infinity is not allowed"),
        ("a.b@mul=1e999", "too large"),
        ('a={"x": 1, "x": 2}', "twice"),
        ("a.b@mul=fast", "needs a number"),
        ("a.b@del=1", "write a.b@del"),
        ("a.b@del=", "write a.b@del"),
        ("a.b@delete", "is not an edit"),
        ("a..b@del", "empty part"),
        ("a=False", 'write false; if you mean the text itself, put it in double quotes: "False"'),
        ("a=True", "write true;"),
        ("a=None", "write null;"),
        ("a=NULL", "write null;"),
        ("a=.5", "write 0.5;"),
        ("a=+1", "write 1;"),
        ("a=1_000", "write 1000;"),
        ("a=1.", "write 1.0;"),
        ("a=0x10", "write 16;"),
        ("a=nan", "write a finite number;"),
        ("a=[1, 2", "a list as [1, 2]"),
        ("a=[True]", "a list as [1, 2]"),
        ("a={'b': 1}", "a list as [1, 2]"),
        ("a='text'", "between two double quotes"),
        ('a="text', "between two double quotes"),
        ("a.b@add=true", "needs a number"),
        ("a.img_*=1", "must stand alone"),
        ("a=" + "[" * 50_000, "nested deeper"),
        ("a=" + "9" * 5000, "too many digits"),
        (".".join("a" * 100) + "=1", "too long"),
    ],
)
def test_what_is_no_edit_is_refused_in_words(text: Any, words: str) -> None:
    with pytest.raises(UserError, match="edit") as caught:
        parse_edit(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.text() | st.text(alphabet='ab.*@=\\"[]{}1e-,setmul NaN'))
def test_any_text_is_an_edit_or_a_user_error(text: str) -> None:
    try:
        edit = parse_edit(text)
    except UserError:
        return
    assert edit.path
    assert all(edit.path)
    json.dumps(edit.value, allow_nan=False)


def test_a_mapping_of_changes_becomes_edits_of_the_same_meaning() -> None:
    assert edits_from_mapping({"a.b@del": None}) == ["a.b@del"]
    texts = edits_from_mapping({"a.b@mul": 1.5, "c@set": True, "d": "1", "e@set": None, "f": "字"})
    assert texts == ["a.b@mul=1.5", "c@set=true", 'd="1"', "e@set=null", 'f="字"']
    assert [edit.value for edit in parse_edits(texts)] == [1.5, True, "1", None, "字"]


@pytest.mark.parametrize("changes", [{"a": float("nan")}, {"a": object()}, {1: 2}])
def test_a_mapping_that_no_config_could_hold_is_refused(changes: Any) -> None:
    with pytest.raises(UserError):
        edits_from_mapping(changes)
