"""The command and environment that a preset gives for an attempt."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from autoloop.model import UserError, WandbSpec
from autoloop.trainers import LaunchRequest, checkpoint_path, environment, load_preset, plan_launch

REQUEST = LaunchRequest(
    python="/env/bin/python",
    config="/state/configs/ab12cd34.json",
    output_dir="/out/loop_1/0_base_ab12cd34",
    cwd="/project",
    steps=2000,
    log_freq=50,
    eval_freq=200,
    device="cuda",
    gpus=(3,),
    run_id="ab12cd34",
    name="base",
    group="loop_1-r2",
)


def request(**changes: object) -> LaunchRequest:
    return msgspec.structs.replace(REQUEST, **changes)


def test_lerobot_offline_is_the_documented_command() -> None:
    plan = plan_launch(load_preset("lerobot"), REQUEST)
    launcher = "/env/bin/python -m accelerate.commands.launch --num_processes 1 --num_machines 1 --mixed_precision no"
    assert shlex.join(plan.argv) == (
        f"{launcher} --dynamo_backend no src/lerobot/scripts/lerobot_train.py "
        "--config_path=/state/configs/ab12cd34.json --steps=2000 --log_freq=50 --eval_freq=200 "
        "--output_dir=/out/loop_1/0_base_ab12cd34 --policy.device=cuda --job_name=base --wandb.run_id=ab12cd34 "
        "--wandb.mode=offline --wandb.enable=true --wandb.disable_artifact=true"
    )
    assert plan.cwd == "/project"
    assert not plan.make_output_dir
    assert [name for name, _ in plan.stop] == ["INT", "TERM", "KILL"]


def test_lerobot_online_names_entity_and_project() -> None:
    online = request(wandb=WandbSpec(online=True, entity="lab", project="arms"))
    argv = plan_launch(load_preset("lerobot"), online).argv
    assert argv[-4:] == ("--wandb.mode=online", "--wandb.enable=true", "--wandb.entity=lab", "--wandb.project=arms")


def test_a_flag_whose_value_is_not_known_is_left_out() -> None:
    argv = plan_launch(load_preset("lerobot"), request(wandb=WandbSpec(online=True, project="arms"))).argv
    assert not any("entity" in word for word in argv)


def test_a_mode_in_the_extra_arguments_replaces_all_wandb_flags() -> None:
    plan = plan_launch(load_preset("lerobot"), request(extra=("--wandb.mode=disabled",)))
    assert [word for word in plan.argv if "wandb" in word] == ["--wandb.run_id=ab12cd34", "--wandb.mode=disabled"]
    assert "WANDB_MODE" not in plan.env


def test_an_extra_argument_replaces_the_flag_of_the_same_key() -> None:
    argv = plan_launch(load_preset("lerobot"), request(extra=("--eval_freq=7", "--seed=1"))).argv
    assert [word for word in argv if "eval_freq" in word] == ["--eval_freq=7"]
    assert argv[-1] == "--seed=1"


def test_an_extra_argument_may_not_take_the_output_directory_away() -> None:
    with pytest.raises(UserError, match="--extra gives output_dir"):
        plan_launch(load_preset("lerobot"), request(extra=("--output_dir=/tmp/mine",)))


def test_lerobot_0_6_differs_by_the_evaluation_flag_and_the_module() -> None:
    old, new = (plan_launch(load_preset(name), REQUEST).argv for name in ("lerobot", "lerobot-0.6"))
    assert set(old) - set(new) == {"src/lerobot/scripts/lerobot_train.py", "--eval_freq=200"}
    assert set(new) - set(old) == {"lerobot.scripts.lerobot_train", "--env_eval_freq=200"}
    assert new[new.index("lerobot.scripts.lerobot_train") - 1] == "-m"


def test_a_script_that_is_named_stands_before_the_presets_own() -> None:
    for name in ("lerobot", "lerobot-0.6"):
        argv = plan_launch(load_preset(name), request(script="mine/train.py")).argv
        assert argv[argv.index("mine/train.py") - 1] == "no"  # the value of --dynamo_backend, not preceded by -m


@pytest.mark.parametrize(("name", "path"), [("lerobot", "policy.path"), ("lerobot-0.6", "reward_model.path")])
def test_lerobot_resumes_by_the_documented_command_in_the_same_directory(name: str, path: str) -> None:
    extra = ("--steps=5", f"--{path}=hub/model", "--policy.chunk_size=9", "--seed=1")
    started, resumed = (
        plan_launch(load_preset(name), request(extra=extra, steps=4000, resume=resume)) for resume in (False, True)
    )
    checkpoint = f"{REQUEST.output_dir}/checkpoints/last"
    assert checkpoint_path(load_preset(name), REQUEST.output_dir) == checkpoint
    gone = set(started.argv) - set(resumed.argv)
    assert gone == {
        f"--config_path={REQUEST.config}",
        f"--output_dir={REQUEST.output_dir}",
        "--steps=5",
        f"--{path}=hub/model",
    }
    assert [word for word in resumed.argv if word not in started.argv] == [
        f"--config_path={checkpoint}/pretrained_model/train_config.json",
        "--resume=true",
        "--steps=4000",
    ]
    assert resumed.output_dir == REQUEST.output_dir
    assert resumed.env == started.env


@pytest.mark.parametrize(
    ("style", "given", "argv"),
    [
        ("dashed-eq", ("--steps=5", "--x=1"), ("run", "--seed=3", "--go=true", "--x=1")),
        ("dashed-space", ("--steps", "5", "--x", "1"), ("run", "--seed=3", "--go", "true", "--x", "1")),
        ("dashed-space", ("--steps=5", "word"), ("run", "--seed=3", "--go", "true", "word")),
        ("hydra", ("++steps=5", "x=1"), ("run", "--seed=3", "--steps=9", "go=true", "x=1")),
    ],
)
def test_resume_flags_replace_and_take_away_in_every_style(
    tmp_path: Path, style: str, given: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f'name="m"\ntitle="t"\nargv=["run", "--seed=3", "--steps=9"]\noverride_style="{style}"\n[flags]\nout="x"\n'
        '[resume]\ncheckpoint="{output_dir}/c"\nwithout=["out", "steps"]\n[resume.flags]\ngo="true"\n[env]\nC="{config}"\n'
    )
    assert plan_launch(load_preset(str(path)), request(extra=given, resume=True)).argv == argv


def test_a_seed_is_required_only_where_the_command_passes_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    table = 'name="m"\ntitle="t"\nargv=["run", "{config}"]\n'
    path.write_text(f'{table}[flags]\nseed="{{seed}}"\n')
    preset = load_preset(str(path))
    assert plan_launch(preset, request(seed="3")).argv[2:] == ("--seed=3",)
    with pytest.raises(UserError, match="the config has no number as its seed: add one to the config"):
        plan_launch(preset, request())
    assert plan_launch(preset, request(extra=("--seed=9",))).argv[2:] == ("--seed=9",)
    path.write_text(f'{table}[resume]\ncheckpoint="{{output_dir}}/c"\n[resume.flags]\nseed="{{seed}}"\n')
    preset = load_preset(str(path))
    assert plan_launch(preset, request(seed="3", resume=True)).argv[2:] == ("--seed=3",)
    with pytest.raises(UserError, match="the config has no number as its seed"):
        plan_launch(preset, request())


def test_a_trainer_that_cannot_resume_is_not_asked_to() -> None:
    assert checkpoint_path(load_preset("plain"), "/out") is None
    with pytest.raises(UserError, match="plain does not say how its trainer resumes"):
        plan_launch(load_preset("plain"), request(script="train.py", resume=True))


def test_plain_passes_config_and_output_directory_to_a_script() -> None:
    plan = plan_launch(load_preset("plain"), request(script="train.py", extra=("--fast",)))
    paths = ("--config", "/state/configs/ab12cd34.json", "--output_dir", "/out/loop_1/0_base_ab12cd34")
    assert plan.argv == ("/env/bin/python", "train.py", *paths, "--fast")
    assert plan.env["WANDB_MODE"] == "offline"


def test_plain_without_a_script_says_how_to_name_one() -> None:
    with pytest.raises(UserError, match="--train-script"):
        plan_launch(load_preset("plain"), REQUEST)


def test_each_attempt_sees_its_own_gpus_or_none() -> None:
    preset = load_preset("lerobot")
    assert plan_launch(preset, request(gpus=(1, 3))).env["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert plan_launch(preset, request(gpus=(1, 3))).argv[4] == "2"
    cpu = plan_launch(preset, request(gpus=(), device="cpu"))
    assert cpu.env["CUDA_VISIBLE_DEVICES"] == ""
    assert "--policy.device=cpu" in cpu.argv


def test_wandb_writes_below_the_output_directory_and_caches_below_the_project() -> None:
    env = plan_launch(load_preset("lerobot"), REQUEST).env
    assert env["WANDB_DIR"] == REQUEST.output_dir
    assert (env["WANDB_RUN_ID"], env["WANDB_RUN_GROUP"]) == ("ab12cd34", "loop_1-r2")
    assert float(env["WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL"]) <= 1
    assert env["WANDB_ERROR_REPORTING"] == "false"
    caches = [env[f"WANDB_{kind}_DIR"] for kind in ("CACHE", "CONFIG", "DATA", "ARTIFACT")]
    assert len(set(caches)) == 4
    assert all(cache.startswith("/project/.wandb_cache/") for cache in caches)


def test_timeouts_are_set_only_online() -> None:
    online = plan_launch(load_preset("lerobot"), request(wandb=WandbSpec(online=True))).env
    offline = plan_launch(load_preset("lerobot"), REQUEST).env
    assert set(online) - set(offline) == {"WANDB_INIT_TIMEOUT", "WANDB_FINISH_TIMEOUT"}


def test_empty_wandb_variables_and_those_of_an_outer_run_are_taken_away() -> None:
    base = {"WANDB_SILENT": "", "WANDB_PROJECT": " ", "WANDB_SWEEP_ID": "s", "WANDB_RESUME": "must", "EMPTY": ""}
    env = environment(plan_launch(load_preset("lerobot"), REQUEST), {**base, "WANDB_BASE_URL": "https://w"})
    assert env["WANDB_SILENT"] == "true"
    assert not {"WANDB_PROJECT", "WANDB_SWEEP_ID", "WANDB_RESUME"} & set(env)
    assert (env["EMPTY"], env["WANDB_BASE_URL"]) == ("", "https://w")


def test_a_key_passes_by_inheritance_and_is_in_no_plan() -> None:
    plan = plan_launch(load_preset("lerobot"), request(wandb=WandbSpec(online=True)))
    assert environment(plan, {"WANDB_API_KEY": "k" * 40})["WANDB_API_KEY"] == "k" * 40
    assert "API_KEY" not in msgspec.json.encode(plan).decode()


def test_the_projects_src_folder_goes_before_pythonpath_where_it_exists(tmp_path: Path) -> None:
    plan = plan_launch(load_preset("lerobot"), request(cwd=str(tmp_path)))
    assert environment(plan, {"PYTHONPATH": "/theirs"})["PYTHONPATH"] == "/theirs"
    (tmp_path / "src").mkdir()
    assert environment(plan, {"PYTHONPATH": "/theirs"})["PYTHONPATH"] == f"{tmp_path}/src:/theirs"
    assert environment(plan, {})["PYTHONPATH"] == f"{tmp_path}/src"


def test_the_command_line_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    script = (
        "import os, sys; e = os.environ.get; print(sys.argv[1:], os.getcwd(), e('PYTHONPATH'), e('WANDB_CACHE_DIR'), "
        "e('WANDB_RUN_GROUP'), e('WANDB_SWEEP_ID'))"
    )
    folder = tmp_path / "it's a $HOME"
    (folder / "src").mkdir(parents=True)
    wanted = request(python=sys.executable, script="x", output_dir="/a b/it's $HOME", cwd=str(folder))
    plan = plan_launch(load_preset("plain"), wanted)
    plan = msgspec.structs.replace(plan, argv=(sys.executable, "-c", script, *plan.argv[2:]))
    outside = {"PATH": os.environ["PATH"], "WANDB_SWEEP_ID": "s", "PYTHONPATH": "/theirs"}
    line = plan.command_line(outside)
    said = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, env=outside, cwd="/").stdout
    cache = f"{folder}/.wandb_cache/cache"
    assert said == f"{list(plan.argv[3:])} {folder} {folder}/src:/theirs {cache} loop_1-r2 None\n"


@pytest.mark.parametrize(
    ("style", "flags"),
    [
        ("dashed-eq", ("--a.b=2000",)),
        ("dashed-space", ("--a.b", "2000")),
        ("hydra", ("a.b=2000",)),
    ],
)
def test_flags_are_written_in_the_presets_style(tmp_path: Path, style: str, flags: tuple[str, ...]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f'name="m"\ntitle="t"\nargv=["run"]\noverride_style="{style}"\n[flags]\n"a.b"="{{steps}}"\n[env]\nC="{{config}}"\n'
    )
    preset = load_preset(str(path))
    assert plan_launch(preset, REQUEST).argv == ("run", *flags)
    extra = "+a.b=1" if style == "hydra" else "--a.b=1"
    assert plan_launch(preset, request(extra=(extra,))).argv == ("run", extra)


def test_an_extra_argument_may_not_keep_the_config_from_the_trainer(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name="m"\ntitle="t"\nargv=["run"]\noverride_style="dashed-eq"\n[flags]\ncfg="{config}"\n')
    with pytest.raises(UserError, match=r"With --extra --cfg=other.json no config would reach the trainer"):
        plan_launch(load_preset(str(path)), request(extra=("--cfg=other.json",)))


def test_a_trainer_that_takes_only_a_file_refuses_extra_arguments(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name="m"\ntitle="t"\nargv=["run", "{config}"]\noverride_style="file-only"\n')
    preset = load_preset(str(path))
    assert plan_launch(preset, REQUEST).argv == ("run", REQUEST.config)
    with pytest.raises(UserError, match="takes no arguments beside its config"):
        plan_launch(preset, request(extra=("--x=1",)))
