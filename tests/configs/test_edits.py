"""Edits: what they match, set and delete, and the combined effect of several."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from autoloop.configs import (
    apply,
    config_hash,
    diff,
    edits_with_effect,
)
from autoloop.model import Change, UserError

from tests.configs.base import BASE
from tests.configs.edited import after, refused, resolved


def test_every_match_is_resolved_with_before_and_after() -> None:
    assert resolved("terms.*.w@mul=0.5", "ot.loss_config.tau_src@set=2.0") == [
        Change(path="terms.a.w", before=1.0, after=0.5),
        Change(path="terms.b.w", before=2.0, after=1.0),
        Change(path="ot.loss_config.tau_src", before=0.5, after=2.0),
    ]


def test_a_list_is_edited_by_index_and_by_star() -> None:
    assert [c.path for c in resolved("ot.loss_config.features.2.weight_label=0.005")] == [
        "ot.loss_config.features.2.weight_label"
    ]
    assert after("policy.input_features.state.shape.*=7") == 7


def test_under_a_star_arithmetic_passes_over_blocks_without_the_key_and_says_so() -> None:
    first, second = resolved("ot.loss_config.features.*.weight_label@mul=0.5")
    assert (first.path, first.after) == ("ot.loss_config.features.0.weight_label", 0.005)
    assert (second.path, second.after) == ("ot.loss_config.features.2.weight_label", 0.01)
    assert first.note == "ot.loss_config.features.1 has no weight_label and stays as before"


def test_under_a_star_set_makes_the_key_in_the_blocks_without_it() -> None:
    changes = resolved("ot.loss_config.features.*.weight_label=0.005")
    assert [(c.before, c.after, c.created) for c in changes] == [
        (0.01, 0.005, False),
        (None, 0.005, True),
        (0.02, 0.005, False),
    ]
    assert changes[1].note is not None
    assert changes[1].note.startswith("ot.loss_config.features.1.weight_label is a new key (")


def test_a_key_with_dots_is_found_plainly_and_escaped_and_its_change_can_be_applied() -> None:
    plain = resolved("policy.input_features.observation.images.side.shape.0=1")
    escaped = resolved(r"policy.input_features.observation\.images\.side.shape.0=1")
    assert plain == escaped
    assert plain[0].path == r"policy.input_features.observation\.images\.side.shape.0"
    features = apply(BASE, plain)["policy"]["input_features"]
    assert features["observation.images.side"]["shape"] == [1, 480, 640]
    assert resolved("policy.input_features.*.shape.0=1")[0] == plain[0]


def test_a_key_that_looks_like_syntax_can_be_addressed() -> None:
    base = {"a*b": {"x@y=z": 1}, "*": 2, "7": 3}
    assert after(r"a\*b.x\@y\=z@add=1", base) == 2
    assert [c.path for c in resolved(r"\*=5", base=base)] == [r"\*"]
    assert after("7=4", base) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ot.loss_config.regg@mul=2", "the nearest existing path is ot.loss_config.reg."),
        ("ot.reg@mul=2", "the nearest existing path is ot.loss_config.reg."),
        ("policy.tau_tgt@add=1", "the nearest existing path is ot.loss_config.tau_tgt."),
        ("ot.los_config.reg@mul=2", "the nearest existing path is ot.loss_config.reg."),
        ("ot.los_config.rge@mul=2", "the nearest existing path is ot.loss_config.reg."),
        (
            "ot.loss_config.features.*.wait_label@mul=2",
            "nearest existing path is ot.loss_config.features.*.weight_label.",
        ),
        ("ot.loss_config.features.3.weight_label@mul=2", "features has 3 elements (0 to 2), so there is no 3."),
        ("ot.loss_config.features.3.weight_label=2", "features has 3 elements (0 to 2), so there is no 3."),
        ("ot.loss_config.features.action.weight_label=2", "is a list: name an index from 0 to 2, or *."),
        ("ot.lambda_ot.x=2", "ot.lambda_ot is a number and has nothing inside."),
        ("ot.lambda_ot.*=2", "ot.lambda_ot is a number and has nothing inside."),
        ("qqqqqqq@mul=2", "there is no qqqqqqq in the config."),
    ],
)
def test_an_edit_that_matches_nothing_says_why_and_names_the_nearest(text: str, words: str) -> None:
    message = refused(text)
    assert f'The edit "{text}" matches nothing: ' in message
    assert message.endswith(words)


def test_a_star_on_an_empty_list_matches_nothing() -> None:
    assert "features is empty, so * matches nothing" in refused("features.*.w=1", base={"features": []})


def test_only_set_makes_a_key_with_its_parents_and_says_so() -> None:
    (change,) = resolved("ot.loss_config.gamma=2")
    assert (change.created, change.before, change.after) == (True, None, 2)
    assert change.note == "ot.loss_config.gamma is a new key (the nearest existing one is ot.loss_config.reg)"
    (deep,) = resolved("new.a.b=1")
    assert (deep.path, deep.created) == ("new.a.b", True)
    assert apply(BASE, [deep])["new"] == {"a": {"b": 1}}
    for op in ("mul", "add", "min", "max"):
        assert "matches nothing" in refused(f"new.a.b@{op}=1")


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("ot.loss_config.tau_scr=2", "ot.loss_config.tau_src"),
        ("ot.lamda_ot=1", "ot.lambda_ot"),
        ("batchsize=4", "batch_size"),
        ("Seed=4", "seed"),
        ("ot.loss_conf.reg=1", "ot.loss_config"),
        ("ot.loss_config.rge=1", "ot.loss_config.reg"),
        ("ot.loss_config.features.*.weight_lable=1", "ot.loss_config.features.0.weight_label"),
    ],
)
def test_a_new_key_named_nearly_as_one_beside_it_must_be_called_new(text: str, beside: str) -> None:
    path, value = text.split("=")
    message = refused(text)
    assert f"but {beside} exists;" in message
    assert f"write {path}@new={value}." in message
    changes = resolved(f"{path}@new={value}")
    assert changes
    assert all(change.created and change.after == int(value) for change in changes)


def test_names_that_differ_in_their_numbers_or_are_quite_other_words_are_no_slips() -> None:
    base = {"beta1": 0.9, "tau_src": 1, "n_obs_steps": 1}
    assert all(change.created for change in resolved("beta2=0.99", "tau_tgt=1", "n_action_steps=4", base=base))


def test_new_sets_a_key_that_is_there_too() -> None:
    (change,) = resolved("ot.lambda_ot@new=0.2")
    assert (change.before, change.after, change.created) == (0.1, 0.2, False)


def test_a_key_and_a_list_element_can_be_deleted() -> None:
    changes = resolved("ot.loss_config.tau_src@del", "ot.loss_config.features.1@del")
    assert [(c.path, c.before, c.after, c.created, c.removed) for c in changes] == [
        ("ot.loss_config.tau_src", 0.5, None, False, True),
        ("ot.loss_config.features.1", {"key": "ee", "use_learned_embed": True}, None, False, True),
    ]
    result = apply(BASE, changes)
    assert "tau_src" not in result["ot"]["loss_config"]
    assert [each["key"] for each in result["ot"]["loss_config"]["features"]] == ["side", "action"]
    assert config_hash(result) != config_hash(BASE)
    assert diff(BASE, result) == changes


def test_indices_mean_the_list_as_it_was_before_all_edits() -> None:
    base = {"l": [0, 1, 2, 3]}
    changes = resolved("l.0@del", "l.2@del", "l.3=9", base=base)
    assert apply(base, changes) == {"l": [1, 9]}
    assert [change.path for change in changes] == ["l.0", "l.2", "l.3"]


def test_a_star_deletes_wherever_the_key_is_and_passes_over_the_others() -> None:
    changes = resolved("ot.loss_config.features.*.weight_label@del")
    assert [change.path for change in changes] == [f"ot.loss_config.features.{i}.weight_label" for i in (0, 2)]
    assert "ot.loss_config.features.1 has no weight_label" in (changes[0].note or "")
    assert apply(BASE, resolved("ot.loss_config.features.*@del"))["ot"]["loss_config"]["features"] == []


@pytest.mark.parametrize(
    ("edits", "result"),
    [
        (["a.x@del", "a.x=5"], {"a": {"x": 5, "y": 2}, "l": [1, 2]}),
        (["a@del", "a.z=5"], {"a": {"z": 5}, "l": [1, 2]}),
        (["b.c=1", "b.c@del"], {"a": {"x": 1, "y": 2}, "l": [1, 2]}),
        (['a={"q": 1, "r": 2}', "a.q@del"], {"a": {"r": 2}, "l": [1, 2]}),
        (["a.x@del", "a@del"], {"l": [1, 2]}),
        (["l.0@del", "l.*@mul=3"], {"a": {"x": 1, "y": 2}, "l": [6]}),
    ],
)
def test_edits_see_what_those_before_them_deleted(edits: list[Any], result: dict[str, Any]) -> None:
    base = {"a": {"x": 1, "y": 2}, "l": [1, 2]}
    assert apply(base, resolved(*edits, base=base)) == result


def test_what_is_not_there_cannot_be_deleted() -> None:
    assert "the nearest existing path is ot.lambda_ot" in refused("ot.lambda@del")
    assert "was deleted by an earlier edit" in refused("ot.loss_config.features.1@del", "ot.loss_config.features.1@del")


def test_a_null_can_be_deleted_and_that_is_a_change() -> None:
    assert edits_with_effect(BASE, resolved("seed@del"))[0]


@pytest.mark.parametrize(("text", "after"), [("lr=2e-5", 2e-5), ("lr=3", 3), ("lr=false", False), ('lr="2e-5"', "2e-5")])
def test_a_text_can_be_set_to_a_number(text: str, after: Any) -> None:
    (change,) = resolved(text, base={"lr": "auto"})
    assert change.after == after
    assert type(change.after) is type(after)
    assert bool(change.note) == (not isinstance(after, str))


def test_a_list_is_never_made_or_grown_by_an_index() -> None:
    refused("new.0.b=1")
    refused("policy.input_features.state.shape.1=4")


def test_a_null_on_the_way_becomes_a_block_and_that_is_the_change() -> None:
    (change,) = resolved("env.sim.type=aloha")
    assert (change.path, change.before, change.after) == ("env", None, {"sim": {"type": "aloha"}})
    assert apply(BASE, [change])["env"] == {"sim": {"type": "aloha"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=7", 7),
        ("env=text", "text"),
        ("ot.lambda_ot=null", None),
        ("policy=null", None),
        ("ot.lambda_ot=[0.1, 0.2]", [0.1, 0.2]),
        ('job_name="other"', "other"),
        ("job_name=other", "other"),
        ("ot.lambda_ot=1", 1),
        ("ot.loss_config.features=[]", []),
    ],
)
def test_set_gives_the_value(text: str, value: Any) -> None:
    assert after(text) == value


def test_a_change_of_shape_or_to_null_carries_a_note() -> None:
    assert "becomes null" in (resolved("ot.lambda_ot=null")[0].note or "")
    assert "was a number and becomes a list" in (resolved("ot.lambda_ot=[1]")[0].note or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ot.lambda_ot=high", "from a number into a text"),
        ("ot.lambda_ot=true", "from a number into true/false"),
        ("use_preset=1", "from true/false into a number; write true or false."),
        ("use_preset=yes", "from true/false into a text; write true or false."),
        ("ot.loss_config=0.4", "from a block into a number; name a key inside it."),
        ("ot.loss_config.features=0.4", "from a list into a number"),
        ("ot.loss_config=[1]", "from a block into a list"),
    ],
)
def test_any_other_change_of_type_is_refused_naming_both(text: str, words: str) -> None:
    assert words in refused(text)


def test_a_later_edit_sees_the_earlier_result_and_one_place_gives_one_change() -> None:
    assert resolved("ot.lambda_ot=0.2", "ot.window_size@add=1", "ot.lambda_ot@mul=0.5", "ot.lambda_ot@add=0.3") == [
        Change(path="ot.lambda_ot", before=0.1, after=0.4),
        Change(path="ot.window_size", before=10, after=11),
    ]
    assert [(c.path, c.after) for c in resolved("new.a=1", "new.b=2", "new.*@mul=10")] == [("new.a", 10), ("new.b", 20)]


def test_edits_inside_one_another_give_the_outer_change() -> None:
    (inside_later,) = resolved('terms.a={"w": 5.0}', "terms.a.w@mul=2")
    assert (inside_later.path, inside_later.before, inside_later.after) == ("terms.a", {"w": 1.0}, {"w": 10.0})
    (inside_first,) = resolved("terms.a.w=3.0", 'terms={"c": 1}')
    assert (inside_first.path, inside_first.before, inside_first.after) == ("terms", BASE["terms"], {"c": 1})


def test_a_block_set_in_many_places_is_not_shared_between_them() -> None:
    assert [c.after for c in resolved('terms.*={"w": 1.5}', "terms.a.w@mul=2")] == [{"w": 3.0}, {"w": 1.5}]


def test_a_place_that_exists_is_preferred_over_one_that_would_be_made() -> None:
    base = {"a": {"b": {}}, "a.b": {"c": 1}}
    assert resolved("a.b.c=5", base=base) == [Change(path=r"a\.b.c", before=1, after=5)]


def test_an_edit_that_fails_writes_nothing_and_results_share_nothing_with_the_base() -> None:
    base = copy.deepcopy(BASE)
    refused("ot.lambda_ot=0.2", "nowhere.at.all@mul=2", base=base)
    (change,) = resolved('terms.a={"w": [1]}', base=base)
    result = apply(base, [change])
    result["terms"]["a"]["w"].append(2)
    result["policy"]["type"] = "other"
    change.before["w"] = 99
    assert base == BASE
    assert change.after == {"w": [1]}


def test_changes_for_a_place_that_is_not_there_are_refused() -> None:
    with pytest.raises(UserError, match="cannot be changed, because this config does not have it"):
        apply({"a": 1}, [Change(path="b.c", before=1, after=2)])
    with pytest.raises(UserError, match="its parent is not a block"):
        apply({"a": 1}, [Change(path="a.c", before=None, after=2, created=True)])


def test_a_deep_path_and_a_wide_config_stay_quick() -> None:
    deep: dict[str, Any] = {}
    node = deep
    for _ in range(50):
        node["a"] = {}
        node = node["a"]
    (change,) = resolved(".".join(["a"] * 50) + ".new.b=1", base=deep)  # an exponential search would never return
    assert change.created
    wide = {f"key_{i}": {"w": 1.0} for i in range(4000)}
    assert len(resolved("*.w@mul=2", base=wide)) == 4000
    assert "nearest existing path is key_17" in refused("keyy_17.w@mul=2", base=wide)
