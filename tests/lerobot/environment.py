"""A real LeRobot 0.4.4 that trains on the CPU, with a tiny dataset: `python tests/lerobot/environment.py FOLDER`.

It is built once, in a few minutes and 2 GB; a complete folder is left unchanged. It uses pip with its configured indexes,
and no hub.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

STEPS: tuple[tuple[str, ...], ...] = (
    # First and separately, so that nothing else installs a larger build of it.
    ("-c", str(ROOT / "constraints.txt"), "torch"),
    # LeRobot requires an older torch and a video decoder, but trains without them.
    ("--no-deps", "lerobot==0.4.4", "torchvision==0.28.0", "diffusers<0.36"),
    (
        "accelerate>=1.10,<2",
        "datasets>=4,<5",
        "huggingface-hub>=0.34.2,<0.36",
        "draccus==0.10.0",
        "wandb>=0.24,<0.25",
        "einops<0.9",
        "av>=15,<16",
        "jsonlines<5",
        "packaging<26",
        "deepdiff<9",
        "termcolor<4",
        "gymnasium<2",
        "opencv-python-headless<4.13",
        "setuptools<81",
        "safetensors",
        "imageio",
        "pyserial",
        "importlib_metadata",
        "regex",
    ),
)

OPERATORS = """

if not _has_ops():  # this build's C++ library does not load beside a CPU torch; declared, the Python side imports
    for _operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{_operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
"""

CHECK = "import torch, torchvision, lerobot.scripts.lerobot_train; print(torch.__version__)"

DATASET = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

def numbers(names):
    return {"dtype": "float32", "shape": (len(names),), "names": names}

features = {"observation.state": numbers(["x", "y", "vx", "vy"]), "action": numbers(["ax", "ay"])}
features["observation.environment_state"] = numbers(["goal_x", "goal_y"])
dataset = LeRobotDataset.create(repo_id="local/reach", fps=10, features=features, root=sys.argv[1], use_videos=False)
random = np.random.default_rng(0)
for _ in range(6):
    place, speed, goal = random.uniform(-1, 1, 2), np.zeros(2), random.uniform(-1, 1, 2)
    for _ in range(50):
        push = 1.5 * (goal - place) - 0.8 * speed
        state = np.concatenate([place, speed])
        frame = {"observation.state": state, "observation.environment_state": goal, "action": push}
        dataset.add_frame({key: value.astype(np.float32) for key, value in frame.items()} | {"task": "reach the goal"})
        speed = speed + 0.1 * push
        place = place + 0.1 * speed
    dataset.save_episode()
dataset.finalize()
"""


class CannotBuild(Exception):
    """LeRobot cannot be built here; the message says why."""


def build(folder: Path) -> tuple[Path, Path]:
    """Return the interpreter and the dataset in `folder`; build what is missing. Raises CannotBuild."""
    python, dataset, done = folder / "venv" / "bin" / "python", folder / "dataset", folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder / "venv", ignore_errors=True)
            shutil.rmtree(dataset, ignore_errors=True)
            venv.create(folder / "venv", with_pip=True)
            for step in STEPS:
                _call([str(python), "-m", "pip", "install", "-q", *step], "pip install " + " ".join(step[:3]))
            _declare_operators(folder / "venv")
            _call([str(python), "-c", CHECK], "importing LeRobot")
            _call([str(python), "-c", DATASET, str(dataset)], "writing the dataset")
            done.touch()
    return python, dataset


def environment(folder: Path) -> dict[str, str]:
    """Return our environment without the hub, and without a cache outside `folder`."""
    return {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf_home"),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _declare_operators(environment: Path) -> None:
    (module,) = environment.glob("lib/python*/site-packages/torchvision/extension.py")
    with module.open("a") as file:
        file.write(OPERATORS)


def _call(argv: list[str], what: str) -> None:
    env = environment(Path(argv[0]).parents[2])
    done = subprocess.run(argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        reason = next((line for line in reversed(lines) if "ERROR" in line), lines[-1])
        raise CannotBuild(f"LeRobot 0.4.4 cannot be built here: {what}: {reason.strip()}")


if __name__ == "__main__":
    try:
        print(*build(Path(sys.argv[1]).resolve()), sep="\n")
    except CannotBuild as problem:
        sys.exit(str(problem))
