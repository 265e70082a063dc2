"""Stand-ins for trainers that cannot be installed for tests.

Each accepts exactly the command line in its trainer's documentation, and writes the learning rate it was given to the
folder it was given. Called as `python stub_trainer.py PROGRAM WORDS…`, or as a script of Isaac Lab. As a script it can also
print a config, as Hydra and LightningCLI applications do.
"""

import argparse
import json
import os
import sys
from typing import Any

import yaml  # type: ignore[import-untyped]


def read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        return dict(yaml.safe_load(file))


def pairs(words: list[str]) -> dict[str, Any]:
    """Parse `a.b=value` words as OmegaConf and Hydra do."""
    assert all("=" in word and not word.startswith("-") for word in words), words
    return {key: yaml.safe_load(value) for key, _, value in (word.partition("=") for word in words)}


def axolotl(words: list[str]) -> tuple[str, float]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command", choices=["train"])
    parser.add_argument("config")
    parser.add_argument("--output-dir")
    given = parser.parse_args(words)
    return given.output_dir, read(given.config)["learning_rate"]


def llamafactory(words: list[str]) -> tuple[str, float]:
    assert words[0] == "train", words
    values = {**read(words[1]), **pairs(words[2:])}
    return values["output_dir"], values["learning_rate"]


def torchtune(words: list[str]) -> tuple[str, float]:
    assert (words[0], words[2]) == ("run", "--config"), words
    values = {**read(words[3]), **pairs(words[4:])}
    return values["output_dir"], values["learning_rate"]


def openpi(words: list[str]) -> tuple[str, float]:
    assert words[:2] == ["run", "scripts/train.py"], words
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("config_name", choices=["pi05_libero"])
    parser.add_argument("--exp-name", required=True)
    parser.add_argument("--checkpoint-base-dir", default="./checkpoints")
    parser.add_argument("--lr-schedule.peak-lr", type=float, default=2.5e-5, dest="rate")
    for integer in ("--num-train-steps", "--batch-size", "--seed"):
        parser.add_argument(integer, type=int)
    given = parser.parse_args(words[2:])
    return os.path.join(given.checkpoint_base_dir, given.config_name, given.exp_name), given.rate


def isaaclab(words: list[str]) -> tuple[str, float]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--task", required=True)
    parser.add_argument("--headless", action="store_true")
    _, overrides = parser.parse_known_args(words)
    values = pairs(overrides)
    folder = os.path.join("logs", "rsl_rl", values["agent.experiment_name"])
    return os.path.join(folder, "2026-01-01_00-00-00"), values["agent.algorithm.learning_rate"]


PROGRAMS = {"axolotl": axolotl, "llamafactory-cli": llamafactory, "tune": torchtune, "uv": openpi}

if "--cfg" in sys.argv or "--print_config" in sys.argv:
    print(yaml.safe_dump(read(sys.argv[sys.argv.index("--config") + 1]) if "--config" in sys.argv else {"lr": 0.001}))
    sys.exit()
program, *words = sys.argv[1:]
known = program in PROGRAMS
folder, rate = PROGRAMS[program](words) if known else isaaclab(sys.argv[1:])
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "metrics.jsonl"), "w", encoding="utf-8") as file:
    for step in (1, 2):
        print(json.dumps({"step": step, "train/loss": 1 / step, "train/rate": rate}), file=file)
