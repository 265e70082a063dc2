"""A trainer that knows nothing about Auto Loop: it takes flags as nanoGPT does, or a YAML or TOML file.

`--file=PATH` is read first. Then `--key=value` sets a Python literal of exactly the default's type; an unknown key or
another type is an error. `--print` prints the config instead of training. It writes its metrics to `out_dir`, including the
learning rate and batch size that it used.
"""

import json
import os
import sys
import tomllib
from ast import literal_eval
from typing import Any

import yaml  # type: ignore[import-untyped]

config: dict[str, Any] = {
    "learning_rate": 0.1,
    "batch_size": 8,
    "max_iters": 4,
    "out_dir": "out",
    "decay": True,
    "name": "x",
    "seed": 1,
}

for word in sys.argv[1:]:
    if word == "--print":
        print("a library says hello")
        print(json.dumps(config, indent=2))
        sys.exit()
    key, _, text = word.removeprefix("--").partition("=")
    if key == "file":
        with open(text, "rb") as file:
            config |= tomllib.load(file) if text.endswith(".toml") else yaml.safe_load(file)
        continue
    try:
        value = literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    assert type(value) is type(config[key]), f"{key} is {type(config[key])}, not {value!r}"
    config[key] = value

os.makedirs(config["out_dir"], exist_ok=True)
with open(os.path.join(config["out_dir"], "wandb-history.jsonl"), "w", encoding="utf-8") as file:
    for step in range(1, config["max_iters"] + 1):
        row = {"_step": step, "train/loss": 1 / (step * config["learning_rate"]), "train/lr": config["learning_rate"]}
        file.write(json.dumps({**row, "train/batch": config["batch_size"], "train/seed": config["seed"]}) + "\n")
