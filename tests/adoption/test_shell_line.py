"""A shell line as users type or copy it, reduced to the one command in it that trains."""

from __future__ import annotations

import pytest
from autoloop.adoption.shell_line import ShellLine, read_line
from autoloop.model import UserError

TRAIN = ["python", "train.py", "--lr", "1e-3"]


def read(*typed: str, **environment: str) -> ShellLine:
    return read_line(typed, environment)


@pytest.mark.parametrize(
    "typed",
    [
        ("python", "train.py", "--lr", "1e-3"),
        ("python train.py --lr 1e-3",),
        ("$ python train.py --lr 1e-3",),
        ("(env)[project]$ python train.py --lr 1e-3",),
        ("# first install\npip install .\n\npython train.py --lr 1e-3  # then train\n",),
        ("python train.py \\ \n  --lr 1e-3",),
        ("python train.py \\\n    --lr 1e-3",),
        ("python train.py \\\n    --lr 1e-3 \\\n",),
        ("python 'train.py' --lr \"1e-3\"",),
        ("nohup python train.py --lr 1e-3 &",),
        ("time python train.py --lr 1e-3",),
        ("env python train.py --lr 1e-3",),
        ("bash -c 'python train.py --lr 1e-3'",),
        ("bash", "-lc", "python train.py --lr 1e-3"),
        ("source venv/bin/activate && python train.py --lr 1e-3",),
        ("pip install -e .; python train.py --lr 1e-3",),
        ("python train.py --lr 1e-3 > log.txt 2>&1",),
        ("python train.py --lr 1e-3 2>&1 | tee log.txt",),
        ("python train.py --lr 1e-3  # the one that works",),
        ("srun --gres=gpu:1 python train.py --lr 1e-3",),
    ],
)
def test_the_command_of_a_line(typed: tuple[str, ...]) -> None:
    line = read(*typed)
    assert line.words == TRAIN
    assert line.env == {}


def test_variables_before_the_command_are_its_environment() -> None:
    line = read("export A=1\nCUDA_VISIBLE_DEVICES=0,1 B='x y' python train.py")
    assert line.env == {"A": "1", "CUDA_VISIBLE_DEVICES": "0,1", "B": "x y"}
    assert line.words == ["python", "train.py"]


def test_variables_in_the_command_are_replaced_as_a_shell_does() -> None:
    line = read("DATA=/data python train.py --root $HOME/x --out ${RUNS}/a --run ${now:%Y}", HOME="/home/me", RUNS="/runs")
    assert line.words[2:] == ["--root", "/home/me/x", "--out", "/runs/a", "--run", "${now:%Y}"]
    with pytest.raises(UserError, match=r"\$NOWHERE in the command is not set: set it, or write its value"):
        read("python train.py --root $NOWHERE")


def test_which_stands_for_the_program_that_it_finds() -> None:
    assert read("accelerate launch $(which lerobot-train) --steps=1").words == [
        "accelerate",
        "launch",
        "lerobot-train",
        "--steps=1",
    ]


def test_what_is_left_out_is_told() -> None:
    line = read("source venv/bin/activate && nohup python train.py > log 2>&1 &")
    assert [each.partition(":")[0] for each in line.left_out] == ["> log 2>&1", "source venv/bin/activate", "nohup"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("cd lib && python train.py", "first changes to the folder lib"),
        ("python a.py && python b.py", "There are two commands, python … and python …"),
        ("python train.py --name 'x", "cannot be parsed"),
        ("bash train.sh", "train.sh is a shell script: give the training command in it"),
        ("./run.sh --gpu 1", "run.sh is a shell script"),
        ("make train", "make starts the training itself"),
        ("docker run --gpus all image python train.py", "docker starts the training itself"),
        ("CUDA_VISIBLE_DEVICES=0 ", "No command given"),
    ],
)
def test_a_line_that_is_no_one_command_is_refused_in_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        read(line)
    assert sentence in str(refused.value)
