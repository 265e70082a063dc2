"""The text of a variant differs from its base only where edited, and every number is a number to both JSON and YAML 1.1."""

from __future__ import annotations

import copy
import difflib
import json
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from autoloop.configs import apply, diff, dump_config, parse_config, parse_edits, resolve, rewrite
from hypothesis import given
from hypothesis import strategies as st

BASE = """{
  "steps": 10,
  "lr": 1.0,
  "seed": 123456789012345678901234567890,
  "name": "caf\\u00e9 \\/ 1e-05",
  "字": "文",
  "betas": [0.9, 0.999],
  "policy": {"type": "act", "dim": 512},
  "features": [
    {
      "key": "side",
      "weight": 0.50
    },
    {
      "key": "ee",
      "weight": 2.5e-03
    },
    {
      "key": "action"
    }
  ],
  "empty": {}
}"""


def edited(text: str, *edits: str) -> str:
    config = parse_config(text, "base.json")
    changed = apply(config, resolve(config, parse_edits(edits)))
    result = rewrite(text, changed)
    assert parse_config(result, "variant.json") == changed
    return result


def differing(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize("text", [BASE, BASE + "\n", BASE.replace("\n", "\r\n"), BASE.replace("  ", "\t"), '{"a": 1}'])
def test_a_config_without_an_edit_stays_as_it_was_given(text: Any) -> None:
    assert rewrite(text, parse_config(text, "base.json")) == text


def test_only_the_lines_of_the_edits_differ() -> None:
    text = edited(BASE, "features.*.weight@mul=2", "policy.dim=256", "name=new")
    assert differing(BASE, text) == [
        '-  "name": "caf\\u00e9 \\/ 1e-05",',
        '+  "name": "new",',
        '-  "policy": {"type": "act", "dim": 512},',
        '+  "policy": {"type": "act", "dim": 256},',
        '-      "weight": 0.50',
        '+      "weight": 1.0',
        '-      "weight": 2.5e-03',
        '+      "weight": 0.005',
    ]


def test_new_keys_and_blocks_are_laid_out_like_their_neighbours() -> None:
    text = edited(BASE, "features.2.weight=0.1", 'policy.extra={"a": [1, 2]}', 'other={"b": {"c": 1e-7}}', "empty.x=1")
    assert differing(BASE, text) == [
        '-  "policy": {"type": "act", "dim": 512},',
        '+  "policy": {"type": "act", "dim": 512, "extra": {"a": [1, 2]}},',
        '-      "key": "action"',
        '+      "key": "action",',
        '+      "weight": 0.1',
        '-  "empty": {}',
        '+  "empty": {',
        '+    "x": 1',
        "+  },",
        '+  "other": {',
        '+    "b": {',
        '+      "c": 1.0e-07',
        "+    }",
        "+  }",
    ]


def test_lines_end_as_in_the_source() -> None:
    text = edited(BASE.replace("\n", "\r\n"), 'other={"b": {"c": 1}}')
    assert text.count("\n") == text.count("\r\n")


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        ('{"a":1,"b":[1,2]}', "c=2", '{"a":1,"b":[1,2],"c":2}'),
        ('{"a": 1}', "c=2", '{"a": 1, "c": 2}'),
        ("{}", "c=2", '{\n    "c": 2\n}'),
        ('{"a": [1, 2, 3]}', "a=[1, 3]", '{"a": [1, 3]}'),
        ('{"a": [2, 3]}', "a=[1, 2, 3]", '{"a": [1, 2, 3]}'),
        ('{"a": [1]}', "a=[]", '{"a": []}'),
        ('{\n\t"a": {"b": 1}\n}\n', "a.b=0.00001", '{\n\t"a": {"b": 1.0e-05}\n}\n'),
    ],
)
def test_the_style_of_the_source_is_kept(before: str, edit: str, after: str) -> None:
    assert edited(before, edit) == after


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("1e-05", "1.0e-05"),
        ("-1e-05", "-1.0e-05"),
        ("1E5", "1.0E+5"),
        ("1.5e10", "1.5e+10"),
        ("5e-324", "5.0e-324"),
        ("1.0", "1.0"),
        ("10", "10"),
        ("2.50e-03", "2.50e-03"),
        ('"1e-05"', '"1e-05"'),
    ],
)
def test_only_numbers_that_yaml_would_take_for_texts_are_respelt(given: str, written: str) -> None:
    text = f'{{"lr": {given}, "l": [{given}]}}'
    config = parse_config(text, "base.json")
    result = rewrite(text, config)
    assert result == f'{{"lr": {written}, "l": [{written}]}}'
    assert yaml.safe_load(result) == config == json.loads(result)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_written_as_a_number_of_yaml(value: float) -> None:
    assert yaml.safe_load(dump_config({"a": value})) == {"a": value}


def test_a_byte_order_mark_is_left_out() -> None:
    assert rewrite('\ufeff{"a": 1}', {"a": 1}) == '{"a": 1}'


keys = st.text(alphabet='ab"\\é字{}:,', max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
configs = st.dictionaries(keys, values, max_size=4)
layouts = st.sampled_from([{"indent": 2}, {"indent": 4}, {"indent": "\t"}, {}, {"separators": (",", ":")}])


@given(configs, configs, layouts, st.booleans())
def test_whatever_is_wanted_is_what_the_text_reads_as(before: Any, wanted: Any, layout: Any, ascii_only: bool) -> None:
    text = json.dumps(before, ensure_ascii=ascii_only, **layout)
    result = parse_config(rewrite(text, wanted), "variant.json")
    assert json.dumps(result, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if children is None:
        return [path]
    return [leaf for key, child in children for leaf in leaves(child, (*path, key))]


@given(configs, st.data())
def test_one_changed_leaf_is_one_changed_line(before: Any, data: Any) -> None:
    places = leaves(before)
    if places == [()] or not places:
        return
    *way, last = data.draw(st.sampled_from(places))
    wanted = copy.deepcopy(before)
    holder = wanted
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(scalars)
    text = dump_config(before)
    lines = differing(text, rewrite(text, wanted))
    assert len(lines) == (2 if json.dumps(wanted) != json.dumps(before) else 0)
    assert bool(lines) or not diff(before, wanted)
