"""The demo trainer parses its command line as strictly as the trainer it stands in for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from autoloop.demo import train
from autoloop.demo.options import DecodingError, FeatureOptions, UsageError, read_request
from autoloop.demo.project import demo_configs, write_project

TRAIN = str(train.__file__)


def config_file(folder: Path, **changes: Any) -> str:
    config = {**demo_configs()["demo_baseline"], **changes}
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return f"--config_path={path}"


def script(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TRAIN, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def test_flags_win_over_the_file_and_the_last_flag_wins(tmp_path: Path) -> None:
    options = read_request(
        [
            config_file(tmp_path),
            "--steps=7",
            "--steps=9",
            "--policy.optimizer_lr=1e-4",
            "--wandb.enable=false",
            "--wandb.mode=null",
        ]
    ).options
    assert (options.steps, options.policy.optimizer_lr) == (9, 1e-4)
    assert (options.wandb.enable, options.wandb.mode) == (False, None)
    assert options.ot.loss_config.features[3] == FeatureOptions("action", False, 0.0, 0.1)


@pytest.mark.parametrize(("raw", "shown"), [(12.0, "12.0"), (12.5, "12.5"), (2e3, "2000.0"), (None, "None")])
def test_a_float_is_no_int(tmp_path: Path, raw: float | None, shown: str) -> None:
    with pytest.raises(DecodingError) as caught:
        read_request([config_file(tmp_path, batch_size=raw)])
    assert str(caught.value) == f"`batch_size`: Couldn't parse '{shown}' into an int"


def test_a_float_in_a_flag_is_no_int_either(tmp_path: Path) -> None:
    with pytest.raises(DecodingError, match=r"^`ot.window_size`: Couldn't parse '20.0' into an int$"):
        read_request([config_file(tmp_path), "--ot.window_size=20.0"])


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [("batch_size", "12", 12), ("batch_size", True, 1), ("job_name", 5, "5"), ("resume", "false", False)],
)
def test_what_draccus_lets_pass_passes(tmp_path: Path, key: str, raw: Any, value: Any) -> None:
    read = getattr(read_request([config_file(tmp_path, **{key: raw})]).options, key)
    assert read == value
    assert type(read) is type(value)


def test_a_one_is_no_bool(tmp_path: Path) -> None:
    with pytest.raises(DecodingError, match=r"^`use_policy_training_preset`: Couldn't parse '1' into a bool$"):
        read_request([config_file(tmp_path, use_policy_training_preset=1)])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zzz": 1}, "The fields `zzz` are not valid for TrainOptions"),
        ({"wandb": {"enabled": True}}, "`wandb`: The fields `enabled` are not valid for WandbOptions"),
        ({"dataset": {}}, "`dataset`: Missing required field `repo_id` for DatasetOptions"),
        ({"dataset": 3}, "`dataset`: Couldn't parse '3' into a DatasetOptions"),
        ({"policy": {"type": "foo"}}, "`policy.type`: invalid choice: 'foo' (choose from 'act')"),
        ({"batch_size": 0}, "`batch_size`: 0 is too small; the minimum is 1"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DecodingError) as caught:
        read_request([config_file(tmp_path, **changes), "--policy.device=cpu"])
    assert str(caught.value) == sentence


@pytest.mark.parametrize("word", ["--env_eval_freq=200", "--policy.foo=1", "--steps.a=1", "--resume", "stray"])
def test_a_flag_it_does_not_have_is_a_usage_error(tmp_path: Path, word: str) -> None:
    with pytest.raises(UsageError, match=f"^unrecognized arguments: {word}$"):
        read_request([config_file(tmp_path), word])


def test_an_output_directory_that_exists_is_refused_even_when_empty(tmp_path: Path) -> None:
    there = tmp_path / "out"
    there.mkdir()
    with pytest.raises(FileExistsError, match=f"^Output directory {there} already exists and resume is False. "):
        read_request([config_file(tmp_path), f"--output_dir={there}"])
    assert list(there.iterdir()) == []


def test_as_a_script_a_bad_value_ends_with_1_and_a_bad_flag_with_2(tmp_path: Path) -> None:
    bad_value = script(config_file(tmp_path, batch_size=12.0))
    assert bad_value.returncode == 1
    assert bad_value.stderr.splitlines()[-1].endswith("DecodingError: `batch_size`: Couldn't parse '12.0' into an int")
    bad_flag = script(config_file(tmp_path), "--env_eval_freq=200")
    assert bad_flag.returncode == 2
    assert bad_flag.stderr.splitlines()[-1] == "train.py: error: unrecognized arguments: --env_eval_freq=200"
    assert bad_value.stdout == bad_flag.stdout == ""


def test_the_project_holds_a_baseline_and_three_different_variants(tmp_path: Path) -> None:
    paths = write_project(tmp_path / "new" / "demo")
    assert [path.parent for path in paths] == [tmp_path / "new" / "demo" / "configs"] * 4
    read = [read_request([f"--config_path={path}"]).options.ot for path in paths]
    assert [(ot.loss_config.reg, ot.loss_config.tau_src, ot.loss_config.tau_tgt, ot.lambda_ot) for ot in read] == [
        (0.1, 0.05, 0.05, 0.1),
        (0.15, 1.0, 1.0, 0.12),
        (0.1, 2.0, 2.0, 0.15),
        (0.1, 5.0, 5.0, 0.1),
    ]
    assert [ot.loss_config.features[3].weight_label for ot in read] == [0.1, 0.1, 0.05, 0.005]


def test_the_project_keeps_files_that_are_there(tmp_path: Path) -> None:
    first = write_project(tmp_path)
    first[0].write_text("mine", encoding="utf-8")
    first[1].unlink()
    assert write_project(tmp_path) == first
    assert first[0].read_text(encoding="utf-8") == "mine"
    assert first[1].exists()
