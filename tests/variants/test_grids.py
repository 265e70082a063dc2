"""Grids and seeds: their syntax, the paths that short names mean, and the names of the combinations."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.model import UserError
from autoloop.variants.axes import parse_grid
from autoloop.variants.grids import Point, group_of, points, renamed, seed_of, seed_path
from autoloop.variants.policy import VariantPolicy

CONFIG: dict[str, Any] = {
    "seed": 7,
    "optimizer": {"lr": 1e-4, "weight-decay": 0.0},
    "model": {"dim": 8, "dims": [8, 8], "name": "a", "dropout": 0.1},
    "data": {"dropout": 0.2},
    "eval": {"seed": 1},
    "batch_size": 8,
}


def made(*axes: str, seeds: str | None = None, zipped: bool = False, policy: VariantPolicy | None = None) -> list[Point]:
    grid = parse_grid(axes, seeds, zipped=zipped)
    return list(points(CONFIG, grid, policy or VariantPolicy()))


def names(*axes: str, seeds: str | None = None, zipped: bool = False) -> list[str]:
    return [point.name for point in made(*axes, seeds=seeds, zipped=zipped)]


def test_every_combination_is_made_and_its_name_shows_the_values_as_they_were_typed() -> None:
    found = made("lr=1e-3,3e-3", seeds="2")
    assert [point.name for point in found] == ["lr=1e-3,seed=1", "lr=1e-3,seed=2", "lr=3e-3,seed=1", "lr=3e-3,seed=2"]
    assert [(point.config["optimizer"]["lr"], point.config["seed"]) for point in found] == [
        (1e-3, 1),
        (1e-3, 2),
        (3e-3, 1),
        (3e-3, 2),
    ]
    assert CONFIG["seed"] == 7


def test_a_value_that_the_config_has_already_is_a_point_too() -> None:
    assert [point.config == CONFIG for point in made("lr=1e-4,1e-3")] == [True, False]


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("dim=2..5", [2, 3, 4, 5]),
        ("dim=5..3", [5, 4, 3]),
        ("dim=2..10:3", [2, 6, 10]),
        ("lr=0.1..0.3:3", [0.1, 0.2, 0.3]),
        ("lr=1e-4..1e-2:3log", [1e-4, 1e-3, 1e-2]),
        ("dim=1..64:4log", [1, 4, 16, 64]),
        ("dim=1,4..6,9", [1, 4, 5, 6, 9]),
        ("dims=[1,2],[3,4]", [[1, 2], [3, 4]]),
        ('name=b,"c,d",../e', ["b", "c,d", "../e"]),
        ("dim@mul=1,2", [8, 16]),
        ("lr=1", [1.0]),
    ],
)
def test_values_are_listed_or_spaced(axis: str, values: list[Any]) -> None:
    found = [next(value for value in _changed(point.config)) for point in made(axis) if point.config != CONFIG]
    expected = [value for value in values if value not in (8, 1e-4)]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def _changed(config: dict[str, Any]) -> list[Any]:
    model, before = config["model"], CONFIG["model"]
    found = [model[key] for key in model if model[key] != before[key]]
    return found or [config["optimizer"]["lr"]]


def test_the_shortest_names_that_tell_the_axes_apart_are_shown() -> None:
    assert names("model.dropout=0", "data.dropout=0", "batch_size=4") == ["model.dropout=0,data.dropout=0,batch_size=4"]


@pytest.mark.parametrize(
    ("short", "path"),
    [
        ("lr", "optimizer.lr"),
        ("optimizer.lr", "optimizer.lr"),
        ("weight_decay", "optimizer.weight-decay"),
        ("wd", "optimizer.weight-decay"),
        ("bs", "batch_size"),
    ],
)
def test_a_short_name_means_the_one_path_that_ends_so(short: str, path: str) -> None:
    (point,) = made(f"{short}=2")
    (changed,) = [key for key in ("batch_size",) if point.config[key] != CONFIG[key]] or [
        f"optimizer.{key}" for key in CONFIG["optimizer"] if point.config["optimizer"][key] != CONFIG["optimizer"][key]
    ]
    assert changed == path


def test_a_short_name_stays_as_it_was_typed_in_the_names_of_runs() -> None:
    assert names("wd=1", "optimizer.lr=2") == ["wd=1,lr=2"]
    with pytest.raises(UserError, match=r"--grid names optimizer.lr twice; give all its values at once"):
        names("lr=1", "optimizer.lr=2")


def test_a_list_or_a_path_has_a_name_that_fits_into_one_of_a_file() -> None:
    assert names("dims=[1,2],[3,4]") == ["dims=1x2", "dims=3x4"]
    assert names('name=../../etc/x,"a,b"') == ["name=x", "name=axb"]


def test_zip_pairs_the_values() -> None:
    assert names("lr=1,2", "dim=3,4", zipped=True, seeds="5") == [
        f"lr={lr},dim={dim},seed={seed}" for lr, dim in ((1, 3), (2, 4)) for seed in range(1, 6)
    ]


@pytest.mark.parametrize(("seeds", "found"), [("1", [1]), ("42,43", [42, 43]), ("3..5", [3, 4, 5])])
def test_seeds_are_a_number_of_them_or_a_list(seeds: str, found: list[int]) -> None:
    assert [point.config["seed"] for point in made(seeds=seeds)] == found


@pytest.mark.parametrize(
    ("axes", "seeds", "zipped", "said"),
    [
        (["lr"], None, False, '--grid "lr" is not an axis: write name=value,value'),
        (["lr="], None, False, "is not an axis"),
        (["lr=1,,2"], None, False, "has an empty value"),
        (["lr=1,1"], None, False, "has the value 1 twice"),
        (["lr=1,2", "lr=3"], None, False, "--grid names lr twice"),
        (["lr=0.1..0.3"], None, False, "say how many values, as 0.1..0.3:5, or 0.1..0.3:5log"),
        (["lr=0..1:3log"], None, False, "equal ratios need two numbers above 0"),
        (["lr=1..5:1"], None, False, "give 2 values or more"),
        (["lr=1..99999999"], None, False, "more than 10000 values"),
        (["dim=1..1000", "lr=1..1000"], None, False, "The grid has 1000000 runs, and 10000 is the most"),
        (["lr=1,2", "dim=1"], None, True, "and they are not equally many: lr has 2, dim has 1"),
        (["lr=1"], None, True, "give two or more to --grid"),
        (["dropout=1"], None, False, "--grid dropout could be several paths: model.dropout, data.dropout; write the one"),
        (["drpout=1"], None, False, "the config has no drpout; the nearest path is"),
        (["lr=x"], None, False, "--grid lr=x: The edit \"optimizer.lr=x\" would turn optimizer.lr from a number"),
        (["dims=3"], None, False, "would turn model.dims from a list into a number"),
        (["dim@pow=3"], None, False, 'the operation "pow" is unknown'),
        (["seed=1,2"], "2", False, "--grid gives seed already; omit --seeds"),
        ([], "x", False, '--seeds "x" is not understood: write how many (3), or which (42,43 or 1..5)'),
        ([], "0", False, "--seeds 0: give 1 or more"),
        ([], "1,1", False, "names a seed twice"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_told_with_its_flag(axes: list[str], seeds: str | None, zipped: bool, said: str) -> None:
    with pytest.raises(UserError) as caught:
        made(*axes, seeds=seeds, zipped=zipped)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_flag_sets_for_all_runs_cannot_be_varied() -> None:
    with pytest.raises(UserError, match=r"--grid optimizer.lr: a flag of the command line gives it for all runs"):
        made("lr=1,2", policy=VariantPolicy(overridden={"optimizer.lr"}))


def test_the_seed_is_the_one_key_called_so_unless_the_preset_names_it() -> None:
    assert seed_path(CONFIG) == "seed"  # at the top level, although there is another deeper down
    assert seed_path(CONFIG, "eval.seed") == "eval.seed"
    assert seed_path({"a": {"seed": 1}}) == "a.seed"
    two = {"a": {"seed": 1}, "b": {"seed": 1}}
    with pytest.raises(UserError, match=r"--seeds: the config has several seeds \(a.seed, b.seed\); name its path"):
        list(points(two, parse_grid([], "2"), VariantPolicy()))
    with pytest.raises(UserError, match=r"--seeds: the config has no key called seed; add it, or name its path as seed ="):
        list(points({"lr": 1}, parse_grid([], "2"), VariantPolicy()))
    with pytest.raises(UserError, match=r"the config has no train.seed, which the preset names as its seed; correct its"):
        list(points({"lr": 1}, parse_grid([], "2"), VariantPolicy(), seed="train.seed"))


def test_a_seed_is_a_number_or_text() -> None:
    assert [seed_of({"seed": value}, VariantPolicy()) for value in (0, "a", None, True, [1])] == ["0", "a", "", "", ""]


def test_runs_that_differ_in_the_seed_alone_are_one_group() -> None:
    policy = VariantPolicy()
    assert group_of({**CONFIG, "seed": 1}, policy) == group_of({**CONFIG, "seed": 2}, policy) != ""
    assert group_of({**CONFIG, "batch_size": 9}, policy) != group_of(CONFIG, policy)
    assert group_of({"lr": 1}, policy) == ""


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("lr=1e-4", "lr=0.006"),
        ("lr=1e-4,seed=7_r2_3", "lr=0.006,seed=7_r2_3"),
        ("dim=8,lr=1e-4_live1", "dim=8,lr=0.006_live1"),
        ("lr=1e-4_r2_1_live1", "lr=0.006_r2_1_live1"),
        ("dims=8x8", "dims=8x16"),
        ("weight-decay=0.0", "weight-decay=0.0"),  # the same in both
        ("dropout=0.1", "dropout=0.1"),  # several paths end like this
        ("base_r2_1", "base_r2_1"),
        ("mine=1,other", "mine=1,other"),
    ],
)
def test_a_run_of_a_grid_is_renamed_after_the_values_of_its_variant(name: str, later: str) -> None:
    after = {**CONFIG, "optimizer": {"lr": 6e-3, "weight-decay": 0.0}, "model": {**CONFIG["model"], "dims": [8, 16]}}
    assert renamed(name, CONFIG, after) == later


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 300, "data=" + "x" * 75),
        (["../../up", "/etc"], "data=.._.._upx_etc"),
        ("a b", "data=a_b"),
        (["\u202egpj"], "data=_gpj"),
    ],
)
def test_a_name_that_shows_a_new_value_is_still_valid_as_part_of_a_path(value: object, shown: str) -> None:
    assert renamed("data=set_r2_1", {"data": "set"}, {"data": value}) == f"{shown}_r2_1"
    assert renamed("data=set_live1-2", {"data": "set"}, {"data": value}) == f"{shown}_live1-2"
