"""`--config FILE --output_dir DIR`; a YAML file, metrics as JSON lines."""

import argparse
import json
import os

import torch
import yaml

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
parser.add_argument("--output_dir", required=True)
arguments = parser.parse_args()
with open(arguments.config, encoding="utf-8") as file:
    config = yaml.safe_load(file)

torch.manual_seed(config["seed"])
weights = torch.zeros(4, requires_grad=True)
optimizer = torch.optim.SGD([weights], lr=config["lr"])
inputs = torch.randn(64, 4)
os.makedirs(arguments.output_dir, exist_ok=True)
with open(os.path.join(arguments.output_dir, "metrics.jsonl"), "w", encoding="utf-8") as file:
    for step in range(1, config["steps"] + 1):
        loss = ((inputs @ weights - inputs.sum(1)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        row = {"step": step, "train/loss": loss.item(), "train/lr": optimizer.param_groups[0]["lr"]}
        print(json.dumps(row), file=file, flush=True)
