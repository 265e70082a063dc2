"""Values formatted for people: the same in messages, tables, reports and on screens."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from autoloop.model import Change, Evidence, Observation
from autoloop.text.changes import change_text, changes_text
from autoloop.text.evidence import evidence_text
from autoloop.text.values import count, duration, number, signed, value_text
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.842, "1.842"), (31250.0, "31250"), (1e-6, "1e-6"), (-0.0, "0"), (math.nan, "nan"), (-math.inf, "-inf"), (None, "–")],
)
def test_a_measured_number_has_four_digits_and_no_padding(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.30000000000000004, "0.3"),
        (1e-5, "1e-5"),
        (0.000123456789, "0.000123457"),
        (100000.0, "100000"),
        (100000, "100000"),
        (True, "true"),
        (None, "null"),
        ("cosine", '"cosine"'),
        ('say "ü"', '"say \\"ü\\""'),
        ([0.9, 0.999, [1, None]], "[0.9, 0.999, [1, null]]"),
        ({"reg": 1e-3, "on": False}, '{"reg": 0.001, "on": false}'),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_a_value_of_a_config_is_json_with_rounded_floats(value: Any, text: str) -> None:
    assert value_text(value) == text


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False, width=16) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(PLAIN)
def test_a_value_reads_as_what_it_is(value: Any) -> None:
    assert json.loads(value_text(value)) == rounded(value)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


@given(PLAIN, st.integers(1, 40))
def test_a_long_value_is_cut_and_marked(value: Any, most: int) -> None:
    whole, cut = value_text(value), value_text(value, most)
    assert cut == whole if len(whole) <= most else cut == whole[: most - 1] + "…"


def test_a_huge_value_is_not_written_out_to_be_cut() -> None:
    looked_at = []

    class Watched(list[int]):
        def __iter__(self) -> Any:
            for each in range(10**9):
                looked_at.append(each)
                yield each

    assert value_text(Watched(), 10) == "[0, 1, 2,…"
    assert len(looked_at) < 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (245, "4m05s"), (3720, "1h02m"), (273600, "3d04h"), (None, "–"), (-3, "0s")],
)
def test_durations_are_short(seconds: Any, text: str) -> None:
    assert duration(seconds) == text


def test_whole_numbers_are_grouped() -> None:
    assert [count(each) for each in (7, 31250)] == ["7", "31 250"]


def test_a_change_says_before_and_after_and_hides_secrets() -> None:
    changes = [
        Change(path="optimizer.lr", before=0.001, after=0.0005),
        Change(path="seed", before=None, after=2, created=True),
        Change(path="ot", before={"reg": 0.1}, after=None, removed=True),
        Change(path="hub.token", before="sesame-open-1", after="sesame-open-2"),
    ]
    assert (
        changes_text(changes)
        == 'optimizer.lr 0.001 → 0.0005, seed (new) → 2, ot {"reg": 0.1} → (deleted), hub.token *** → ***'
    )
    noted = Change(path="lr", before=1, after=2, note="clamped")
    assert change_text(noted) == "1 → 2   clamped"


def test_evidence_names_only_what_decided() -> None:
    seen = [
        Observation(name="loss.last", value=3.4e-11, op="<", threshold=1e-6, holds=True),
        Observation(name="steps", value=500, op=">", threshold=900, holds=False),
        Observation(name='config("policy.type")', value="act", op="==", threshold="act", holds=True),
        Observation(name='log("nan")', value="loss: nan", op="matches", threshold="nan", holds=True),
    ]
    evidence = Evidence(rule="r", rule_version="1", when="", observations=seen)
    assert evidence_text(evidence) == (
        'loss.last = 3.4e-11 < 1e-6, config("policy.type") = "act" == "act", its log says "loss: nan"'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "+0.0123"), (-0.00005, "-5e-5"), (0.0, "+0"), (31250.4, "+31250"), (math.nan, "nan"), (-math.inf, "-inf")],
)
def test_a_difference_is_a_number_with_its_sign(value: float, text: str) -> None:
    assert signed(value) == text
