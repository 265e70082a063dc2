"""Guarantees about diffs, the changes of edits and config hashes, for any config."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from autoloop.configs import (
    Config,
    apply,
    config_hash,
    diff,
    parse_edits,
    resolve,
    same,
)
from autoloop.model import UserError
from hypothesis import given
from hypothesis import strategies as st

from tests.configs.base import BASE

# ------------------------------------------------------------------------------------------------- properties

keys = st.sampled_from(["a", "b", "n_x", "a.b", "*", "0", "1", "", " c", "@", "\\", "字"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-1e9, 1e9) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)
trees = st.dictionaries(keys, values, max_size=4)
segments = st.sampled_from(["a", "b", "n_x", "*", "0", "1", r"a\.b", r"\*", "new"])
rich = {"a": {"a": 1.0, "b": [1, 2.5], "new": None}, "b": [{"a": 1}, {"a": 2.0, "n_x": 3}], "n_x": 8, "a.b": {"a": 0.1}}
rich_trees = trees.map(lambda tree: {**copy.deepcopy(rich), **tree}) | st.just(rich)
edit_texts = st.builds(
    lambda path, op, value: f"{'.'.join(path)}@{op}={value}",
    st.sampled_from(["a.a", "a.b.*", "a.b.1", "b.*.a", "b.*.n_x", "b.1.n_x", "n_x", "a.new.x", "new.q", "a", "b"]).map(
        lambda path: path.split(".")
    )
    | st.lists(segments, min_size=1, max_size=4),
    st.sampled_from(["set", "mul", "add", "min", "max"]),
    st.sampled_from(["2", "0.5", "-1"]) | st.sampled_from(["2", "true", "null", "text", "[1, 2]", '{"a": 1}']),
)


@given(trees, trees)
def test_a_diff_applied_to_the_first_config_gives_the_second(a: Config, b: Config) -> None:
    frozen = copy.deepcopy((a, b))
    changes = diff(a, b)
    assert (a, b) == frozen
    assert same(apply(a, changes), b)
    assert not diff(b, apply(a, changes))
    assert bool(changes) == (not same(a, b))


@given(rich_trees, st.lists(edit_texts, min_size=1, max_size=4))
def test_resolving_never_touches_the_config_and_its_changes_are_what_differs(config: Config, texts: list[str]) -> None:
    frozen = copy.deepcopy(config)
    try:
        changes = resolve(config, parse_edits(texts))
    except UserError:
        assert config == frozen
        return
    assert config == frozen
    result = apply(config, changes)
    assert config == frozen
    paths = [change.path for change in changes]
    assert len(set(paths)) == len(paths)
    for difference in diff(config, result):  # differences only inside a change (or above it, for new parents)
        assert any(
            f"{difference.path}.".startswith(f"{path}.") or f"{path}.".startswith(f"{difference.path}.") for path in paths
        )
    for change in changes:
        if not change.created and not same(change.before, change.after):
            assert any(f"{d.path}.".startswith(f"{change.path}.") for d in diff(config, result))
    json.dumps(result, allow_nan=False)


@given(
    rich_trees,
    st.lists(segments.filter(lambda s: s != "*"), min_size=1, max_size=3),
    st.sampled_from([2, 0.5, None, "x"]),
)
def test_what_set_promises_is_what_the_config_then_holds(config: Config, path: str, value: Any) -> None:
    try:
        changes = resolve(config, parse_edits([f"{'.'.join(path)}={json.dumps(value)}"]))
    except UserError:
        return
    expected = value if path[-1] != "n_x" or value != 0.5 else 1
    again = resolve(apply(config, changes), parse_edits([f"{'.'.join(path)}={json.dumps(value)}"]))
    assert [(change.before, change.after, change.created) for change in again] == [(expected, expected, False)]


# ------------------------------------------------------------------------------------------------- diff and hash


def test_a_diff_gives_only_what_differs() -> None:
    other = copy.deepcopy(BASE)
    other["batch_size"] = 8.0
    other["ot"]["lambda_ot"] = 0.2
    other["ot"]["loss_config"]["features"][1]["weight_label"] = 0.5
    other["policy"]["input_features"]["state"]["shape"] = [14, 1]
    del other["terms"]["a"]
    assert [(c.path, c.before, c.after, c.created, c.removed) for c in diff(BASE, other)] == [
        ("policy.input_features.state.shape", [14], [14, 1], False, False),
        ("ot.lambda_ot", 0.1, 0.2, False, False),
        ("ot.loss_config.features.1.weight_label", None, 0.5, True, False),
        ("terms.a", {"w": 1.0}, None, False, True),
    ]


def test_one_and_true_differ() -> None:
    assert [c.path for c in diff({"a": 1, "b": 0.0}, {"a": True, "b": 0})] == ["a"]
    assert config_hash({"a": 1}) != config_hash({"a": True})


@given(trees, st.randoms(use_true_random=False))
def test_the_hash_does_not_depend_on_the_order_of_keys(config: Config, random: Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            random.shuffle(items)
            return {key: shuffled(child) for key, child in items}
        return [shuffled(child) for child in value] if isinstance(value, list) else value

    assert config_hash(shuffled(config)) == config_hash(config)


@given(trees, trees)
def test_configs_have_one_hash_exactly_when_nothing_differs(a: Config, b: Config) -> None:
    assert (config_hash(a) == config_hash(b)) == same(a, b)


def test_the_hash_is_of_the_training_only() -> None:
    base = {"steps": 10, "lr": 1.0}
    assert len(config_hash(base)) == 16
    noise = {"output_dir": "x", "wandb": {"mode": "online"}, "job_name": "y", "log_freq": 1, "eval_freq": 2}
    assert config_hash({**noise, **base}) == config_hash({"lr": 1, "steps": 10.0})
    assert config_hash({**base, "steps": 11}) != config_hash(base)
    assert config_hash({**base, "policy": {"wandb": 1}}) != config_hash({**base, "policy": {}})


def test_extra_arguments_count_unless_they_only_watch() -> None:
    base = {"lr": 1.0}
    watching = ["--wandb.mode=offline", "--log_freq", "50", "--eval_freq=2"]
    assert config_hash(base, watching) == config_hash(base)
    assert config_hash(base, ["--seed=1"]) != config_hash(base)
    assert config_hash(base, ["--log_freq", "50", "--seed=1"]) == config_hash(base, ["--seed=1"])
