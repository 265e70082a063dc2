"""Data parallel with gloo on the CPU; only the first process writes metrics.jsonl."""

import argparse
import json
import os

import torch
import torch.distributed as dist
import yaml
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
parser.add_argument("--output_dir", required=True)
arguments = parser.parse_args()
with open(arguments.config, encoding="utf-8") as file:
    config = yaml.safe_load(file)

dist.init_process_group("gloo")
torch.manual_seed(config["seed"] + dist.get_rank())
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=config["optimizer"]["lr"])
inputs = torch.randn(64, 4)
if dist.get_rank() == 0:
    os.makedirs(arguments.output_dir, exist_ok=True)
for step in range(1, config["steps"] + 1):
    loss = torch.nn.functional.mse_loss(model(inputs), inputs.sum(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if dist.get_rank() == 0 and step % 5 == 0:
        row = {"step": step, "train/loss": loss.item(), "train/lr": optimizer.param_groups[0]["lr"]}
        row["processes"] = dist.get_world_size()
        with open(os.path.join(arguments.output_dir, "metrics.jsonl"), "a", encoding="utf-8") as file:
            print(json.dumps(row), file=file)
dist.destroy_process_group()
