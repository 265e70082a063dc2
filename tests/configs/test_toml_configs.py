"""TOML configs are read to the same data as JSON, and changed so that `diff` shows only the edit."""

from __future__ import annotations

import difflib
import tomllib
from typing import Any

import pytest
from autoloop.configs import apply, parse_config, parse_edits, resolve, rewrite
from autoloop.model import UserError
from autoloop.variants.check import check
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest
from hypothesis import given
from hypothesis import strategies as st

BASE = """\
# head
title = "x"   # said
lr = 1e-3     # rate
when = 2024-01-01

[model]
layers = [1, 2,  3]   # l
deep = [
  1,   # one
  2,
]
inline = { a = 1, b = true }  # in

[model.sub]
k = 'v'  # kk

[[runs]]
a = 1
[[runs]]
a = 2 # two
"""


def edited(text: str, *edits: str) -> str:
    config = parse_config(text, "base.toml")
    changed = apply(config, resolve(config, parse_edits(edits)))
    result = rewrite(text, changed, ".toml")
    assert parse_config(result, "variant.toml") == changed
    return result


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        ("lr@mul=0.1", ["-lr = 1e-3     # rate", "+lr = 0.0001     # rate"]),
        ('title="y z"', ['-title = "x"   # said', '+title = "y z"   # said']),
        ("model.layers.1=7", ["-layers = [1, 2,  3]   # l", "+layers = [1, 7,  3]   # l"]),
        ("model.deep.0=5", ["-  1,   # one", "+  5,   # one"]),
        ("model.inline.a=2", ["-inline = { a = 1, b = true }  # in", "+inline = { a = 2, b = true }  # in"]),
        ("model.sub.k@del", ["-k = 'v'  # kk"]),
        ("runs.1.a=5", ["-a = 2 # two", "+a = 5 # two"]),
        ("fresh@new=1", ["+fresh = 1"]),
    ],
)
def test_only_what_is_edited_differs(edit: str, lines: list[str]) -> None:
    found = difflib.unified_diff(BASE.split("\n"), edited(BASE, edit).split("\n"), n=0, lineterm="")
    assert [line for line in found if not line.startswith(("---", "+++", "@@"))] == lines


def test_a_date_is_a_text_and_stays_as_it_is_written() -> None:
    assert parse_config(BASE, "base.toml")["when"] == "2024-01-01"
    assert "when = 2024-01-01\n" in edited(BASE, "lr=1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = \n", "a.toml: invalid TOML"),
        ("a = 1\na = 2\n", "a.toml: invalid TOML (Cannot overwrite a value (at line 2, column 6))"),
        ("[b]\na = nan\n", "a.toml: b.a = nan is not allowed in a config"),
        ("a = " + "[" * 100 + "]" * 100, "nested"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_config(text, "a.toml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_null_is_refused_before_anything_is_written() -> None:
    config = parse_config(BASE, "base.toml")
    request = VariantRequest(reason="", edits=["model.sub.k=null"])
    assert "TOML has no null" in (check(config, request, VariantPolicy(), ".toml").blocked or "")
    assert check(config, request, VariantPolicy(), ".yaml").blocked is None
    with pytest.raises(
        UserError, match=r"model.sub.k cannot be null, because TOML has no null; delete the key \(model.sub.k@del\)"
    ):
        edited(BASE, "model.sub.k=null")


scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text("aé\"'\n #=[", max_size=6)  # fmt: skip # noqa: E501
keys = st.text('ab-_.é "', min_size=1, max_size=4)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(keys, trees, max_size=4))
def test_a_config_becomes_any_other(after: dict[str, Any]) -> None:
    mixed = {**parse_config(BASE, "base.toml"), **after}
    assert parse_config(rewrite(BASE, mixed, ".toml"), "a.toml") == mixed
    assert tomllib.loads(rewrite(BASE, after, ".toml")) == after
