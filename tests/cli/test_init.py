"""`init`: the settings written for a command line. The commands in the table are as in the trainers' own documents; `run`
must be able to plan what is written for them, unchanged."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.conftest import Call, Machine
from tests.cli.project import CommandProject, command, environment
from tests.support.waiting import PATIENCE

ARGPARSE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1e-2)
parser.add_argument("--batch-size", "-b", type=int, default=8)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--layers", type=int, nargs="+")
parser.add_argument("--no-cuda", action="store_true")
parser.add_argument("--device", default="cuda")
parser.add_argument("--out", default="runs")
parser.add_argument("--seed", type=int)
parser.add_argument("--warmup", type=int, default=0)
parser.add_argument("--local_rank", type=int, default=-1)
"""
NANO = """
out_dir = "out"
max_iters = 600
learning_rate = 6e-4
compile = True
device = "cuda"
exec(open("configurator.py").read())
tokens = 3
"""
FILES = {
    "train.py": ARGPARSE,
    "bare.py": "import sys\n",
    "nano.py": NANO,
    "config/x.py": "# a run\nlearning_rate = 1e-3  # higher\nmax_iters = 50\n",
    "base.yaml": "# mine\nlearning_rate: 1.0e-4  # rate\nmax_steps: 100\noutput_dir: out\nseed: 3\n",
    "cli.yaml": "seed_everything: 1\nmodel:\n  lr: 0.1\ntrainer:\n  max_steps: 500\n",
    "args.json": '{"learning_rate": 0.1, "output_dir": "x", "max_steps": 40}\n',
    "data.json": '[{"prompt": "a"}]',
    "accelerate.yaml": "num_processes: 2\n",
    "main.py": "from lightning.pytorch.cli import LightningCLI\n",
    "hf.py": "from transformers import HfArgumentParser\n",
    "pkg/__init__.py": "",
    "pkg/train.py": "import hydra_is_not_here as hydra\n# hydra.main\n",
    "scripts/train.py": "import openpi\n",
    "scripts/reinforcement_learning/rsl_rl/train.py": "# started in the simulator\n",
}


class Line(NamedTuple):
    typed: str
    command: str
    base: dict[str, Any] | str
    """The values of the base, or the name of the config file that serves as the base."""
    table: dict[str, Any] | None = None
    """Additional keys of [trainer]."""


LINES = [
    Line(
        "python train.py --lr 1e-3 --no-cuda",
        "{python} train.py --no-cuda --device {device} --out {output_dir}",
        {"lr": 0.001, "batch-size": 8, "epochs": 3, "warmup": 0, "seed": 1},
        {"config": "overrides", "style": "dashed-space", "steps": "epochs"},
    ),
    Line(
        "python bare.py --lr 1e-3 --bs=32 --no-cuda",
        "{python} bare.py --no-cuda",
        {"lr": 0.001, "bs": 32},
        {"config": "overrides"},
    ),
    Line(
        "python bare.py --n-steps 256 --total-timesteps 2000",
        "{python} bare.py",
        {"n-steps": 256, "total-timesteps": 2000},
        {"steps": "total-timesteps"},
    ),
    Line(
        "python train.py -b 32 --layers 64 32 --device=cpu --out=/tmp/x --seed=7",
        "{python} train.py --device={device} --out={output_dir}",
        {"batch-size": 32, "layers": [64, 32], "seed": 7, "lr": 0.01, "epochs": 3, "warmup": 0},
        {"lists": "words"},
    ),
    Line(
        "CUDA_VISIBLE_DEVICES=0 OMP_NUM_THREADS=4 python -u bare.py --config base.yaml --verbose",
        "{python} -u bare.py --config {config} --verbose",
        "base.yaml",
        {"config": "file", "steps": "max_steps", "env": {"OMP_NUM_THREADS": "4"}},
    ),
    Line(
        "accelerate launch --config_file accelerate.yaml bare.py base.yaml",
        "{python} -m accelerate.commands.launch --config_file accelerate.yaml bare.py {config}",
        "base.yaml",
        {"config": "file"},
    ),
    Line(
        "accelerate launch --num_processes=2 --mixed_precision fp16 -m pkg.other --lr 1",
        "{python} -m accelerate.commands.launch --num_processes={processes} --mixed_precision fp16 -m pkg.other",
        {"lr": 1},
        {"processes": 2},
    ),
    Line(
        "torchrun --standalone --nproc_per_node 2 nano.py config/x.py --batch_size=32 --compile=False",
        "{python} -m torch.distributed.run --standalone --nproc_per_node {processes} nano.py config/x.py "
        "--out_dir={output_dir} --device={device}",
        {"max_iters": 50, "learning_rate": 0.001, "compile": False, "batch_size": 32},
        {"values": "python", "steps": "max_iters", "processes": 2},
    ),
    Line(
        "python -m torch.distributed.run --nproc-per-node=4 bare.py --lr=1",
        "{python} -m torch.distributed.run --standalone --nproc-per-node={processes} bare.py",
        {"lr": 1},
        {"processes": 4},
    ),
    Line(
        "python -u -m torch.distributed.launch --nproc_per_node=2 --master_port 1234 bare.py --lr=1",
        "{python} -u -m torch.distributed.launch --nproc_per_node={processes} --master_port 1234 bare.py",
        {"lr": 1},
        {"processes": 2},
    ),
    Line(
        "python -m pkg.train +exp=a model=big optimizer.lr=1e-3 'data.path=[1,2]' hydra.run.dir=here",
        "{python} -m pkg.train +exp=a model=big",
        {"optimizer": {"lr": 0.001}, "data": {"path": [1, 2]}},
        {"style": "hydra", "flags": {"hydra.run.dir": "{output_dir}"}},
    ),
    Line(
        "python -m pkg.train -m optimizer.lr=1e-3,1e-2 seed=1,2",
        "{python} -m pkg.train",
        {"optimizer": {"lr": 0.001}, "seed": 1},
        {"style": "hydra"},
    ),
    Line(
        "trl sft --config base.yaml --learning_rate 2e-4 --output_dir /tmp/x",
        "trl sft --config {config} --output_dir {output_dir}",
        {"learning_rate": 0.0002, "max_steps": 100, "output_dir": "out", "seed": 3},
        {"config": "file", "steps": "max_steps"},
    ),
    Line(
        "llamafactory-cli train base.yaml",
        "llamafactory-cli train {config} output_dir={output_dir}",
        "base.yaml",
        {"config": "file", "steps": "max_steps"},
    ),
    Line("axolotl train base.yaml", "axolotl train {config} --output-dir={output_dir}", "base.yaml", {"config": "file"}),
    Line(
        "python scripts/reinforcement_learning/rsl_rl/train.py --task Isaac-Ant-v0 --headless --seed 42 "
        "agent.algorithm.learning_rate=1e-3",
        "{python} scripts/reinforcement_learning/rsl_rl/train.py --task Isaac-Ant-v0 --headless",
        {"agent": {"seed": 42, "algorithm": {"learning_rate": 0.001}}},
        {"style": "hydra", "flags": {"agent.experiment_name": "{output_dir}"}},
    ),
    Line(
        "./isaaclab.sh -p scripts/reinforcement_learning/rsl_rl/train.py --task=Isaac-Ant-v0 --headless --max_iterations 9",
        "./isaaclab.sh -p scripts/reinforcement_learning/rsl_rl/train.py --task=Isaac-Ant-v0 --headless",
        {"agent": {"max_iterations": 9}},
        {"steps": "agent.max_iterations"},
    ),
    Line(
        "yolo train model=a.pt epochs=9",
        "yolo train project={output_dir}",
        {"model": "a.pt", "epochs": 9},
        {"steps": "epochs"},
    ),
    Line(
        "trl sft --model_name_or_path a/b --packing --num_train_epochs 1",
        "trl sft --packing --output_dir {output_dir}",
        {"model_name_or_path": "a/b", "num_train_epochs": 1},
        {"style": "dashed-space"},
    ),
    Line(
        "uv run scripts/train.py pi05_libero --exp-name=x --batch-size=8 --overwrite",
        "uv run scripts/train.py pi05_libero --overwrite --exp-name={name} --checkpoint-base-dir={output_dir}",
        {"batch-size": 8},
    ),
    Line(
        "python main.py fit --config cli.yaml --trainer.max_steps 1000",
        "{python} main.py fit --config {config} --trainer.default_root_dir={output_dir}",
        {"seed_everything": 1, "model": {"lr": 0.1}, "trainer": {"max_steps": 1000}},
        {"config": "file", "steps": "trainer.max_steps", "seed": "seed_everything"},
    ),
    Line(
        "python main.py fit --model pkg.Net --model.lr 0.1 --trainer.max_epochs 3",
        "{python} main.py fit --model.lr 0.1 --trainer.default_root_dir={output_dir}",
        {"model": "pkg.Net", "trainer": {"max_epochs": 3}},
        {"steps": "trainer.max_epochs"},
    ),
    Line(
        "python hf.py args.json",
        "{python} hf.py",
        "args.json",
        {"config": "overrides", "lists": "words", "flags": {"output_dir": "{output_dir}"}},
    ),
    Line(
        "python hf.py --model_name_or_path gpt2 --do_train --output_dir /tmp/x --learning_rate 5e-5",
        "{python} hf.py --do_train --output_dir {output_dir}",
        {"model_name_or_path": "gpt2", "learning_rate": 5e-5},
        {"style": "dashed-space"},
    ),
    Line(
        "poetry run python bare.py --save_path out/model.pt --lr 1",
        "poetry run python bare.py --save_path {output_dir}/model.pt",
        {"lr": 1},
    ),
    Line("conda run -n env python bare.py lr=0.1", "conda run -n env python bare.py", {"lr": 0.1}, {"style": "key-value"}),
    Line("xvfb-run -a python bare.py --lr 1", "xvfb-run -a python bare.py", {"lr": 1}),
    Line(
        "bash -c \"source v/bin/activate && python bare.py --name 'a b' --flag=True > log 2>&1\"",
        "{python} bare.py",
        {"name": "a b", "flag": True},
        {"values": "python"},
    ),
    Line("python bare.py data.json --lr 1", "{python} bare.py data.json", {"lr": 1}),
    Line(
        "python bare.py --version 007 --lr -1e-3 --ids [1,2]",
        "{python} bare.py",
        {"version": "007", "lr": -0.001, "ids": [1, 2]},
    ),
]


@pytest.fixture
def folder(project: CommandProject, machine: Machine) -> Path:
    """A folder with all of FILES, on a machine with the GPUs that a project uses by default."""
    machine(0, 1, 2, 3)
    for name, text in FILES.items():
        path = project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return project.folder


def written(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "autoloop.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.typed[:60])
def test_a_command_becomes_settings(line: Line, folder: Path, call: Call) -> None:
    said = call("init", "--", line.typed)
    assert said.code == 0, said.err
    text = (folder / "autoloop.toml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 15
    assert text.startswith("#")
    table = written(folder)["trainer"]
    assert table["command"] == line.command
    assert (line.table or {}).items() <= table.items()
    if isinstance(line.base, str):
        assert table["base"] == line.base
        assert (folder / line.base).read_text(encoding="utf-8") == FILES[line.base]
    else:
        name = table["base"]
        assert name not in FILES
        assert values(folder / name) == line.base
    if table["command"].startswith("{python}"):
        planned = call("run", "--device", "cpu", "--python", sys.executable)
        assert planned.code == 0, planned.err
        assert f" {table['command'].split()[1]} " in planned.out


def values(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    import yaml  # type: ignore[import-untyped]

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_words_need_no_quotes_of_their_own(folder: Path, call: Call) -> None:
    assert call("init", "--", "python", "bare.py", "--force", "--name", "a b").code == 0
    assert json.loads((folder / "base.json").read_text(encoding="utf-8")) == {"name": "a b"}
    assert written(folder)["trainer"]["command"] == "{python} bare.py --force"


def test_a_config_with_values_of_the_command_keeps_its_comments(folder: Path, call: Call) -> None:
    assert call("init", "--", "trl sft --config base.yaml --max_steps 7").code == 0
    assert (folder / "base-2.yaml").read_text(encoding="utf-8") == FILES["base.yaml"].replace("100", "7")


@pytest.mark.parametrize(
    ("more", "text", "seed"),
    [
        ("", '{"lr": 0.1}', {"seed": 1}),
        ("--seed 5", '{"lr": 0.1}', {"seed": 5}),
        ("--seed=5", '{"s": {"seed": 2}}', {"seed": 5}),
    ],
)
def test_a_seed_that_only_a_flag_sets_is_passed_in_the_flag_and_varied_in_the_file(
    folder: Path, call: Call, more: str, text: str, seed: dict[str, Any]
) -> None:
    (folder / "c.json").write_text(text, encoding="utf-8")
    said = call("init", "--", f"python train.py --config c.json --out o {more}")
    assert "passed as a flag: --seeds varies it; the trainer must also accept the key seed in its config file" in said.out
    base = json.loads((folder / written(folder)["trainer"]["base"]).read_text(encoding="utf-8"))
    assert base == json.loads(text) | seed
    planned = call("run", "--device", "cpu", "--seeds", "7,8")
    assert planned.code == 0, planned.err
    assert re.findall(r"--seed[= ](\d+)", planned.out) == ["7", "8"]


def test_a_seed_that_a_variable_or_an_override_sets_is_varied_too(folder: Path, call: Call) -> None:
    (folder / "c.json").write_text('{"lr": 0.1}', encoding="utf-8")
    said = call("init", "--", "SEED=5 JOBS=2 python bare.py --config c.json")
    assert "seed is 5, passed as SEED: --seeds varies it" in said.out
    assert "JOBS=2 for every run" in said.out
    assert "SEED=5 for every run" not in said.out
    assert json.loads((folder / "base.json").read_text(encoding="utf-8")) == {"lr": 0.1, "seed": 5}
    planned = call("run", "--device", "cpu", "--seeds", "7,8")
    assert planned.code == 0, planned.err
    assert re.findall(r" SEED=(\d+)", planned.out) == ["7", "8"]
    assert call("init", "--force", "--", "python bare.py config=c.json seed=5").code == 0
    assert json.loads((folder / "base-2.json").read_text(encoding="utf-8")) == {"lr": 0.1, "seed": 5}
    planned = call("run", "--device", "cpu", "--seeds", "7,8")
    assert re.findall(r" config=\S+ seed=(\d+)", planned.out) == ["7", "8"], planned.out + planned.err
    said = call("init", "--force", "--", "SEED=5 python bare.py --lr 1")
    assert "SEED is 5 for every run, so --seeds cannot vary it" in said.out


def test_known_trainers_with_a_preset_use_it(folder: Path, call: Call) -> None:
    said = call(
        "init",
        "--",
        "lerobot-train --policy.type=act --dataset.repo_id=a/b --steps=500 --output_dir=o --policy.device=cpu --seed=3",
    )
    assert said.code == 0, said.err
    assert written(folder) == {"preset": "lerobot-0.6"}
    base = json.loads((folder / "base.json").read_text(encoding="utf-8"))
    assert base == {"policy": {"type": "act"}, "dataset": {"repo_id": "a/b"}, "seed": 3}
    assert "autoloop-tui run --cfgs base.json --steps 500 --device cpu" in said.out
    assert "lerobot-0.6: assumed, since no version is installed here" in said.out
    planned = call("run", "--cfgs", "base.json", "--steps", "500", "--device", "cpu")
    assert planned.code == 0, planned.err
    assert "--steps=500" in planned.out


def test_everything_that_was_assumed_is_told(folder: Path, call: Call) -> None:
    said = call("init", "--", "HF_TOKEN=hf_abcdefghijklmnop WANDB_MODE=online python train.py --lr 1e-3 --no-cuda")
    for sentence in (
        "HF_TOKEN: a secret is not written to a file",
        "WANDB_MODE=online: Auto Loop sets it",
        "fixed     --no-cuda is passed to every run",
        "steps     assuming that a step is an epoch: epochs is 3",
        "seed      seed is 1: --seeds varies it",
        "output    out is added: a separate folder for each run",
        "autoloop-tui run --device cpu",
    ):
        assert sentence in said.out
    assert "hf_abcdefghijklmnop" not in said.out + (folder / "autoloop.toml").read_text(encoding="utf-8")
    assert not said.err


def test_gpus_are_those_of_the_command_else_of_the_machine(folder: Path, call: Call, machine: Machine) -> None:
    call("init", "--", "CUDA_VISIBLE_DEVICES=1,2 python bare.py --lr 1")
    assert written(folder)["gpus"] == [1, 2]
    machine(0)
    call("init", "--force", "--", "python bare.py --lr 1")
    assert written(folder)["gpus"] == [0]
    machine(error="no driver")
    assert "autoloop-tui run --device cpu" in call("init", "--force", "--", "python bare.py --lr 1").out


def test_a_trainer_that_prints_its_config_has_that_for_a_base(folder: Path, call: Call) -> None:
    script = (
        "# hydra.main\nimport json, sys\nassert sys.argv[-3:] == ['--cfg', 'job', '--resolve'], sys.argv\n"
        "print('optimizer:\\n  lr: 0.001\\nmax_steps: 40\\nseed: 1')\n"
    )
    (folder / "app.py").write_text(script, encoding="utf-8")
    said = call("init", "--", f"{sys.executable} app.py model=big optimizer.lr=1e-3 hydra.run.dir=x")
    table = written(folder)["trainer"]
    assert table["dump"] == "{python} app.py model=big optimizer.lr=1e-3 --cfg job --resolve"
    assert table["command"] == "{python} app.py model=big optimizer.lr=1e-3"
    assert table["steps"] == "max_steps"
    assert "base" not in table
    assert "printed by the trainer: 3 values" in said.out
    planned = call("run", "--device", "cpu", "--grid", "optimizer.lr=1e-3,1e-2")
    assert planned.code == 0, planned.err
    assert "optimizer.lr=0.01" in planned.out


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("python nowhere.py", "The script nowhere.py does not exist in"),
        ("python bare.py --config nowhere.yaml", "The config nowhere.yaml does not exist in"),
        ("python nano.py config/nowhere.py", "The config config/nowhere.py does not exist in"),
        ("accelerate launch --config_file no.yaml bare.py", "The file no.yaml, which --config_file names, does not exist"),
        ("torchrun --nproc_per_node 2", "The command names no script after torchrun"),
        ("python -c 'print(1)'", "has no script that a run can start"),
        ("python", "The command names no script after python"),
        ("  ", "Give your training command after --"),
    ],
)
def test_a_command_that_cannot_train_is_refused_in_a_sentence(typed: str, sentence: str, folder: Path, call: Call) -> None:
    before = sorted(folder.rglob("*"))
    said = call("init", "--", typed)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_settings_that_exist_are_replaced_only_if_told(folder: Path, call: Call) -> None:
    (folder / "autoloop.toml").write_text("grace = 5\n", encoding="utf-8")
    said = call("init", "--", "python bare.py --lr 1")
    assert said.code == 2
    assert "autoloop.toml already exists and was not changed; --force (before --) replaces it." in said.err
    assert (folder / "autoloop.toml").read_text(encoding="utf-8") == "grace = 5\n"
    assert not (folder / "base.json").exists()
    assert call("init", "--force", "--", "python bare.py --lr 1").code == 0
    assert call("init", "--force", "--", "python bare.py --lr 2").code == 0
    assert json.loads((folder / "base.json").read_text(encoding="utf-8")) == {"lr": 1}  # never replaced
    assert written(folder)["trainer"]["base"] == "base-2.json"


def test_flags_without_two_dashes_before_them_are_told_where_they_belong(folder: Path, call: Call) -> None:
    said = call("init", "python", "bare.py", "--lr", "1")
    assert said.code == 2
    assert "write -- before your training command" in said.err


def test_on_a_terminal_what_is_not_known_is_asked(folder: Path) -> None:
    """The real program on a real terminal: three answers, and no further questions."""
    answers = b"--dir\n--n 20\n--rng=4\n"
    code, said = at_terminal(folder, ["init", "--", "python", "bare.py", "--lr", "1"], answers)
    assert code == 0, said
    assert said.count("?") == 3
    assert written(folder)["trainer"]["command"] == "{python} bare.py --dir {output_dir}"
    assert written(folder)["trainer"]["steps"] == "n"
    assert written(folder)["trainer"]["seed"] == "rng"
    assert json.loads((folder / "base.json").read_text(encoding="utf-8")) == {"lr": 1, "n": 20, "rng": 4}
    assert "such as --out?" in said
    assert "rng is 4: --seeds varies it" in said

    code, said = at_terminal(folder, ["init", "--force", "--", "python", "bare.py", "lr=1"], b"dir=x\nn=20\nseed=4\n")
    assert code == 0, said
    assert "such as out=?" in said
    assert "(max_steps=1000)" in said
    assert "(seed=1)" in said
    assert written(folder)["trainer"]["command"] == "{python} bare.py dir={output_dir}"

    code, said = at_terminal(folder, ["init", "--force", "--", "python", "bare.py", "lr=1"], b"\nsteps=[]\nseed={}\n")
    assert code == 0, said
    assert "the number of steps is unknown" in said
    assert "unknown, so --seeds cannot vary it" in said, said


def at_terminal(folder: Path, words: list[str], typed: bytes) -> tuple[int, str]:
    """Run a command on a terminal where `typed` is already entered; return its exit code and output."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed)
        process = subprocess.Popen(
            command(*words), cwd=folder, env=environment(), stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True
        )
        out, _ = process.communicate(timeout=PATIENCE)
        os.set_blocking(ours, False)
        return process.returncode, out + os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)
