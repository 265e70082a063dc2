"""Search spaces: their syntax, and which ones are refused, in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.configs import default_fields
from autoloop.model import Axis, UserError
from autoloop.toml import parse_toml
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.spaces import at_point, checked_space, contains, edits_to, point_of, space_of_table, space_of_words

CONFIG: dict[str, Any] = {
    "seed": 7,
    "steps": 100,
    "optimizer": {"lr": 1e-3, "name": "adam", "betas": [0.9, 0.99]},
    "model": {"layers": 4, "dropout": 0.1, "wide": True},
    "batch_size": 16,
    "output_dir": "x",
    "ot": {"features": [{"weight": 1.0}, {"weight": 2.0}]},
}
POLICY = VariantPolicy(fields=default_fields(), overridden=("batch_size",))


def of_words(*words: str, policy: VariantPolicy = POLICY, **more: Any) -> list[Axis]:
    return checked_space(space_of_words(words), [("base.json", CONFIG)], policy, **more)


def of_toml(text: str) -> list[Axis]:
    return checked_space(space_of_table(parse_toml(text, "autoloop.toml")), [("base.json", CONFIG)], POLICY)


@pytest.mark.parametrize(
    ("word", "axis"),
    [
        ("lr=1e-4..1e-2", Axis(path="optimizer.lr", low=1e-4, high=1e-2, log=True)),
        ("lr=5e-4..2e-3", Axis(path="optimizer.lr", low=5e-4, high=2e-3)),
        ("lr=5e-4..2e-3:log", Axis(path="optimizer.lr", low=5e-4, high=2e-3, log=True)),
        ("dropout=0..1", Axis(path="model.dropout", low=0, high=1)),
        ("layers=1..64", Axis(path="model.layers", low=1, high=64, step=1, whole=True)),
        ("layers=1..64:log", Axis(path="model.layers", low=1, high=64, log=True, step=1, whole=True)),
        ("layers=2,4,8", Axis(path="model.layers", values=[2, 4, 8])),
        ("dropout=0.0..0.2:3", Axis(path="model.dropout", values=[0, 0.1, 0.2])),
        ("optimizer.name=adam,sgd", Axis(path="optimizer.name", values=["adam", "sgd"])),
        ("betas=[0.9,0.99],[0.9,0.999]", Axis(path="optimizer.betas", values=[[0.9, 0.99], [0.9, 0.999]])),
        ("wide=true,false", Axis(path="model.wide", values=[True, False])),
    ],
)
def test_a_word_after_grid_is_an_axis(word: str, axis: Axis) -> None:
    assert of_words(word) == [axis]


def test_a_table_has_the_same_axes_and_more() -> None:
    assert of_toml(
        """
        "model.dropout" = { low = 0.0, high = 0.5, step = 0.1 }
        "optimizer.lr" = { low = 1e-4, high = 1e-2, log = false }
        [optimizer]
        name = ["adam", "sgd"]
        [model]
        layers = "2..6"
        """
    ) == [
        Axis(path="model.dropout", low=0.0, high=0.5, step=0.1),
        Axis(path="optimizer.lr", low=1e-4, high=1e-2),
        Axis(path="optimizer.name", values=["adam", "sgd"]),
        Axis(path="model.layers", low=2, high=6, step=1, whole=True),
    ]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lr", "is not an axis"),
        ("lrr=1..2", "the nearest path is optimizer.lr"),
        ("lr@mul=1..2", "without @mul"),
        ("weight=1..2", "several paths"),
        ("ot.features.*.weight=1..2", "matches several places of base.json"),
        ("batch_size=8,16", "a flag of the command line gives it"),
        ("seed=1..9", "that is the seed"),
        ("steps=50..200", "runs of different length cannot be compared"),
        ("output_dir=x,y", "does not change it"),
        ("lr=1e-2..1e-4", "low must be below high"),
        ("lr=0..1:log", "must begin above 0"),
        ("lr=2e-3..1e-2", "base.json has 0.001 there, which is not among what is searched (0.002 … 0.01)"),
        ("layers=2..6.5", "takes whole numbers"),
        ("layers=2,8", "which is not among what is searched (2, 8)"),
        ("name=1..2", "which is not a number"),
        ("wide=0..1", "which is not a number"),
        ("layers=4", "one value leaves nothing to search"),
        ("lr=1e-3..inf", "give both low and high"),
    ],
)
def test_what_cannot_be_searched_is_refused(word: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        of_words(word, steps="steps")
    message = str(refused.value)
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('lr = { low = 1e-4 }', "give both low and high, or values"),
        ('lr = { low = 1e-4, hihg = 1e-2 }', "high"),
        ('lr = { low = 1e-4, high = 1e-2, log = true, step = 1e-3 }', "log and step exclude each other"),
        ('lr = { low = 1e-4, high = 1e-2, step = 1.0 }', "at most 0.0099"),
        ('lr = { values = [1e-3, 1e-2], low = 1e-4 }', "values stand alone"),
        ('lr = { values = [1e-3, 1e-3] }', "twice"),
        ('lr = 3', "give a range"),
        ('optimizer.lr = "1e-4..1e-2"\n"lr" = "1e-4..1e-2"', "gives optimizer.lr twice"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        of_toml(text)
    assert said in str(refused.value)
    assert "[search]" in str(refused.value)


def test_every_config_must_lie_in_the_space() -> None:
    without = {key: value for key, value in CONFIG.items() if key != "model"}
    with pytest.raises(UserError, match=r"b.json has no model.layers; every config"):
        checked_space(space_of_words(["layers=2..6"]), [("a.json", CONFIG), ("b.json", without)], POLICY)


def test_a_point_is_read_from_a_config_and_written_into_one() -> None:
    axes = of_words("lr=1e-4..1e-2", "layers=2..6", "optimizer.name=adam,sgd")
    assert point_of(CONFIG, axes) == [1e-3, 4, "adam"]
    moved = at_point(CONFIG, axes, [5e-3, 4, "sgd"])
    assert (point_of(moved, axes), CONFIG["optimizer"]["name"]) == ([5e-3, 4, "sgd"], "adam")
    assert edits_to(CONFIG, axes, [5e-3, 4, "sgd"]) == ["optimizer.lr=0.005", 'optimizer.name="sgd"']
    assert point_of(at_point(CONFIG, axes, [1.0, 4, "sgd"]), axes) is None


def test_a_number_and_a_truth_value_are_not_the_same() -> None:
    assert not contains(Axis(path="a", values=[True, False]), 1)
    assert contains(Axis(path="a", values=[1, 2]), 1.0)
    assert not contains(Axis(path="a", low=0, high=1), True)
