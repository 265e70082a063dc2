"""YAML configs are read as trainers with PyYAML read them, and changed so that `diff` shows only the edit."""

from __future__ import annotations

import difflib
import io
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from autoloop.configs import apply, parse_config, parse_edits, reading_differs, resolve, rewrite
from autoloop.model import UserError
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

BASE = """\
# what we train
lr:   1.0e-4     # the rate
model:
    name: 'a b'      # quoted
    layers: [1, 2,  3]
    flow: {a: 1, b: yes}
    empty:
    list:
      - 1     # one
      - 2
      # of the next
      - k: 1
        z: 2
      - - 5
        - 6
    text: |
      hello
      there
    last: x   # end

opt: &o
  lr: 0.001
  wd: 0.1
copy: *o
merged:
  <<: *o
  own: 1
"""


def edited(text: str, *edits: str) -> str:
    config = parse_config(text, "base.yaml")
    changed = apply(config, resolve(config, parse_edits(edits)))
    result = rewrite(text, changed, ".yaml")
    assert parse_config(result, "variant.yaml") == changed
    assert yaml.safe_load(result) == changed
    return result


def differing(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        (["lr@mul=0.1"], ["-lr:   1.0e-4     # the rate", "+lr:   1.0e-05     # the rate"]),
        (["model.name=it's"], ["-    name: 'a b'      # quoted", "+    name: 'it''s'      # quoted"]),
        (['model.last="yes"'], ["-    last: x   # end", '+    last: "yes"   # end']),
        (['model.last="1e-3"'], ["-    last: x   # end", '+    last: "1e-3"   # end']),
        (['model.last="a: b # c"'], ["-    last: x   # end", '+    last: "a: b # c"   # end']),
        (["model.layers.1=7"], ["-    layers: [1, 2,  3]", "+    layers: [1, 7,  3]"]),
        (["model.layers=[1,3]"], ["-    layers: [1, 2,  3]", "+    layers: [1, 3]"]),
        (["model.layers=[0,1,2,3]"], ["-    layers: [1, 2,  3]", "+    layers: [0, 1, 2,  3]"]),
        (["model.flow.b=false"], ["-    flow: {a: 1, b: yes}", "+    flow: {a: 1, b: false}"]),
        (["model.flow.a@del"], ["-    flow: {a: 1, b: yes}", "+    flow: {b: yes}"]),
        (["model.flow.c@new=[]"], ["-    flow: {a: 1, b: yes}", "+    flow: {a: 1, b: yes, c: []}"]),
        (["model.empty=3"], ["-    empty:", "+    empty: 3"]),
        (["model.list.0=9"], ["-      - 1     # one", "+      - 9     # one"]),
        (["model.list.1@del"], ["-      - 2"]),
        (["model.list.2.k@del"], ["-      - k: 1", "-        z: 2", "+      - z: 2"]),
        (["model.last@del"], ["-    last: x   # end"]),
        (["copy.wd=0.5"], ["-copy: *o", "+copy: {lr: 0.001, wd: 0.5}"]),
        (["merged.wd=0.5"], ["+  wd: 0.5"]),
    ],
)
def test_only_what_is_edited_differs(edits: list[str], lines: list[str]) -> None:
    assert differing(BASE, edited(BASE, *edits)) == lines


def test_a_new_block_is_indented_as_the_file_is() -> None:
    found = edited(BASE, 'model.fresh@new={"a":1e-05,"b":{"c":[true,null]}}')
    assert "    fresh:\n      a: 1.0e-05\n      b:\n        c: [true, null]\n\nopt:" in found


def test_who_refers_to_a_block_keeps_what_it_had_when_the_block_changes() -> None:
    found = differing(BASE, edited(BASE, "opt.wd=0"))
    assert {"-  wd: 0.1", "+  wd: 0.0", "-copy: *o", "+copy: {lr: 0.001, wd: 0.1}"} <= set(found)
    assert len([line for line in found if line[0] == "-"]) == 3


def test_the_end_of_the_file_and_its_line_ends_stay() -> None:
    assert edited("a: 1\nb: 2", "b@del") == "a: 1"
    assert edited("a: 1\nb: 2", "c@new=3") == "a: 1\nb: 2\nc: 3"
    assert edited("a: 1\r\nb: 2 # x\r\n", "b=3", "c@new=4") == "a: 1\r\nb: 3 # x\r\nc: 4\r\n"
    assert edited("---\na: 1 # x\n...\n", "a=2") == "---\na: 2 # x\n...\n"
    assert rewrite("\ufeffa: 1\n", {"a": 1}, ".yaml") == "a: 1\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("1_000", 1000),
        ("010", 8),
        ("0x1F", 31),
        ("-3", -3),
        ("1e-5", 1e-5),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("&a 1", 1),
        ("${a.b}", "${a.b}"),
        ("null # none", None),
        ("|-\n  a\n  b", "a\nb"),
        ("{a: [1, {b: no}]}", {"a": [1, {"b": False}]}),
    ],
)
def test_a_value_is_read_as_trainers_read_it(text: str, value: Any) -> None:
    found = parse_config(f"key: {text}\n", "a.yml")["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_texts() -> None:
    assert parse_config("on: 1\n1: 2\n'x y': 3\n", "a.yaml") == {"on": 1, "1": 2, "x y": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 'a.yaml, line 3, column 1: the key "a" appears twice in one block; remove one'),
        ("a: [1\nb: 2\n", "a.yaml, line 2, column 2: invalid YAML"),
        ("a:\n\t- 1\n", "invalid YAML (found character '\\t'"),
        ("a: 1\n---\nb: 2\n", "a.yaml: a second document begins on line 2 (---); use one config per file"),
        ("", "a config must be one block of keys (key: value); it is empty"),
        ("- 1\n", "a config must be one block of keys (key: value), not a list"),
        ("just a text\n", "not a text"),
        ("a: .nan\n", "line 1, column 4: .nan is not allowed in a config; use a finite number"),
        ("a: 1.0e+999\n", "is too large for a number"),
        ("[1]: 2\n", "a key must be a text or a number"),
        ("a: *b\n", "*b has no earlier anchor; write the value out"),
        ("a: &b [*b]\n", "*b refers to a block that contains it; write the value out"),
        ("a: " + "[" * 100 + "]" * 100, "nested deeper than 64 levels"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)),
            "more than 200000 values",
        ),
        ("a:\n  <<: 1\n", "<< takes the keys of a block"),
        ("a: \x00\n", "invalid YAML"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_config(text, "a.yaml")
    message = str(caught.value)
    assert said in message
    assert "a.yaml" in message
    assert "\n" not in message


def test_values_that_readers_take_for_different_things_are_told_with_their_line() -> None:
    text = "a: 1\nopt:\n  lr: 1e-5\n  ok: 1.0e-5\nmode: 0755\nat: 1:30\nquoted: '1e-5'\n"
    assert reading_differs(text, ".yaml") == ["line 3: lr: 1e-5", "line 5: mode: 0755", "line 6: at: 1:30"]


keys = st.text(st.sampled_from("abXY019_-. üé"), min_size=1, max_size=6) | st.sampled_from(["yes", "null", "1e-5", "<", "#"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["no", "on", "1e-5", "010", "1:2", "~", "", " a", "a: b", "a #b", "- x", "*x", "&x", "!x", "{", "'", '"']
    )
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
blocks = st.dictionaries(keys, trees, min_size=1, max_size=5)
layouts = st.sampled_from(["block", "flow", "mixed", "ruamel"])


def laid_out(config: dict[str, Any], layout: str) -> str:
    if layout == "ruamel":
        stream = io.StringIO()
        writer = YAML(typ="rt", pure=True)
        writer.indent(mapping=4, sequence=6, offset=3)
        writer.dump(config, stream)
        return stream.getvalue()
    flow = {"block": False, "flow": True, "mixed": None}[layout]
    return str(yaml.safe_dump(config, default_flow_style=flow, allow_unicode=True, sort_keys=False))


@given(blocks, blocks, layouts)
def test_any_config_becomes_any_other_and_all_readers_agree(
    before: dict[str, Any], after: dict[str, Any], layout: str
) -> None:
    text = laid_out(before, layout)
    try:
        read = parse_config(text, "a.yaml")
    except UserError:  # a key that only this layout can write, or a number in a notation we never write
        return
    assert rewrite(text, read, ".yaml") == text
    mixed = {**read, **after}
    result = rewrite(text, mixed, ".yaml")
    assert parse_config(result, "b.yaml") == mixed
    if layout != "ruamel" and not reading_differs(text, ".yaml"):  # ruamel.yaml writes the key `yes` without quotes
        assert yaml.safe_load(result) == mixed
