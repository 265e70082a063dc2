"""A config's values as arguments: each style as the trainers with that style read it."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from autoloop.model import UserError
from autoloop.trainers import LaunchRequest, Preset, parse_preset, plan_launch

CONFIG: dict[str, Any] = {
    "lr": 1e-05,
    "batch_size": 32,
    "amp": True,
    "ckpt": None,
    "betas": [0.9, 0.99],
    "model": {"name": "a b", "layers": 2},
}


def preset(*lines: str, **base: Any) -> Preset:
    table = f"base = {_toml(base)}\n" if base else ""
    return parse_preset('command = "run"\nconfig = "overrides"\n' + table + "\n".join(lines), "preset.toml")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(child)}" for key, child in value.items()) + "}"
    return json.dumps(value)


def words(preset: Preset, config: dict[str, Any], *extra: str) -> str:
    request = LaunchRequest(
        python="python",
        config="/state/config.json",
        values=config,
        output_dir="/out",
        cwd="/project",
        steps=100,
        log_freq=10,
        eval_freq=10,
        device="cpu",
        run_id="ab12cd34",
        name="lr=1,seed=2",
        group="loop_1-r1",
        extra=extra,
    )
    return shlex.join(plan_launch(preset, request).argv[1:])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ['style = "dashed-eq"'],
            "--lr=1.0e-05 --batch_size=32 --amp=true '--betas=[0.9, 0.99]' '--model.name=a b' --model.layers=2",
        ),
        (
            ['style = "dashed-space"', 'values = "python"', 'lists = "words"', 'null = "None"'],
            "--lr 1e-05 --batch_size 32 --amp True --ckpt None --betas 0.9 0.99 --model.name 'a b' --model.layers 2",
        ),
        (
            ['style = "dashed-eq"', 'case = "kebab"', "switches = true"],
            "--lr=1.0e-05 --batch-size=32 --amp '--betas=[0.9, 0.99]' '--model.name=a b' --model.layers=2",
        ),
        (
            ['style = "hydra"'],
            "lr=1.0e-05 batch_size=32 amp=true ckpt=null 'betas=[0.9,0.99]' 'model.name='\"'\"'a b'\"'\"'' model.layers=2",
        ),
        (
            ['style = "key-value"'],
            "lr=1.0e-05 batch_size=32 amp=true ckpt=null 'betas=[0.9, 0.99]' 'model.name=a b' model.layers=2",
        ),
    ],
)
def test_every_value_is_given_in_the_style_of_the_trainer(lines: list[str], expected: str) -> None:
    assert words(preset(*lines), CONFIG) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain/path.txt", "a=plain/path.txt"),
        ("it's", r"a='it\'s'"),
        ("x,y=z", "a='x,y=z'"),
        ("true", "a='true'"),
        ("1e-3", "a='1e-3'"),
        ("", "a=''"),
        ("C:\\dir\\", "a='C:\\dir\\\\'"),
        ("${b.c}", "a=${b.c}"),
        ([1, "x y", [None]], "a=[1,'x y',[null]]"),
        ([], "a=[]"),
        ({}, "a={}"),
    ],
)
def test_hydra_reads_a_value_as_it_was_meant(value: Any, expected: str) -> None:
    """Hydra 1.3's own override parser read each of them back as equal."""
    assert shlex.split(words(preset('style = "hydra"'), {"a": value})) == [expected]


def test_only_what_differs_from_the_base_is_given_and_hydra_is_told_what_is_new_or_gone() -> None:
    changing = preset('style = "hydra"', 'overrides = "changed"', lr=0.1, a=1, gone=2, block={"x": 1, "y": [1, 2]})
    given = {"lr": 0.2, "a": 1.0, "new": 3, "block": {"x": 1, "y": [1, 3]}}
    assert words(changing, given) == "lr=0.2 +new=3 'block.y=[1,3]' '~gone'"


def test_a_block_in_place_of_a_value_is_given_whole() -> None:
    changing = preset('style = "hydra"', 'overrides = "changed"', model="small")
    assert shlex.split(words(changing, {"model": {"layers": 2, "width": 8}})) == ["model={layers:2,width:8}"]


def test_an_unchanged_config_gives_no_overrides() -> None:
    assert words(preset('overrides = "changed"', lr=0.1, b={"c": [1]}), {"lr": 0.1, "b": {"c": [1]}}) == ""


def test_a_deleted_key_is_refused_where_the_style_has_no_word_for_it() -> None:
    with pytest.raises(UserError, match=r'b cannot be deleted: the trainer has its own default .* style = "dashed-eq"'):
        words(preset('overrides = "changed"', a=1, b=2), {"a": 1})


def test_a_null_of_an_edit_reaches_the_trainer_and_one_of_the_base_is_left_out() -> None:
    all_values = preset('values = "python"', lr=0.1, ckpt="x")
    assert words(all_values, {"lr": None, "ckpt": "x"}) == "--lr=None --ckpt=x"
    assert words(preset(), {"lr": None, "ckpt": "x"}) == "--ckpt=x"


def test_what_a_flag_or_an_extra_argument_gives_is_not_given_again() -> None:
    flagged = preset('case = "kebab"', "[flags]", 'output_dir = "{output_dir}"', 'steps = "{steps}"')
    given = {"output_dir": "mine", "steps": 7, "lr": 0.1, "batch_size": 4}
    assert words(flagged, given, "--batch-size=8") == "--output-dir=/out --steps=100 --lr=0.1 --batch-size=8"


def test_a_flag_whose_value_hydra_would_take_apart_is_quoted() -> None:
    named = preset('style = "hydra"', "[flags]", 'name = "{name}"', '"hydra.run.dir" = "{output_dir}"')
    assert shlex.split(words(named, {})) == ["name='lr=1,seed=2'", "hydra.run.dir=/out"]


def test_a_secret_is_refused_as_a_word_of_the_command() -> None:
    with pytest.raises(UserError, match=r"hub.api_key of the config is a secret") as caught:
        words(preset(), {"hub": {"api_key": "hf_0123456789abcdef0123456789abcdef"}})
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("key", ["a b", "a;b", "x=y", ""])
def test_a_key_that_is_no_word_of_a_command_is_refused(key: str) -> None:
    with pytest.raises(UserError, match="cannot be given on the command line"):
        words(preset(), {key: 1})


def test_the_number_of_processes_on_a_cpu_is_the_presets() -> None:
    many = parse_preset('command = "torchrun --nproc {processes} t.py {config}"\nprocesses = 2', "preset.toml")
    assert words(many, {}) == "--nproc 2 t.py /state/config.json"


def test_the_configs_folder_and_name_can_be_given_apart() -> None:
    apart = parse_preset('command = "run --config-dir {config_dir} --config-name {config_name}"', "preset.toml")
    assert words(apart, {}) == "--config-dir /state --config-name config"
