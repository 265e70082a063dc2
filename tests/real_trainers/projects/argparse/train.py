"""Flags and no config file; prints its metrics and writes only a checkpoint."""

import argparse
import os

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--batch-size", type=int, default=16)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--nesterov", action=argparse.BooleanOptionalAction, default=False)
parser.add_argument("--out", default="out")
arguments = parser.parse_args()

torch.manual_seed(arguments.seed)
model = torch.nn.Linear(4, 2)
momentum = 0.9 if arguments.nesterov else 0.0
optimizer = torch.optim.SGD(model.parameters(), lr=arguments.lr, momentum=momentum, nesterov=arguments.nesterov)
inputs = torch.randn(64, 4)
labels = (inputs.sum(1) > 0).long()
for epoch in range(1, arguments.epochs + 1):
    for batch in torch.randperm(64).split(arguments.batch_size):
        loss = torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy = (model(inputs).argmax(1) == labels).float().mean().item()
    print(f"epoch {epoch} loss={loss.item():.4f} acc={accuracy:.4f} lr={optimizer.param_groups[0]['lr']}")
os.makedirs(arguments.out, exist_ok=True)
torch.save(model.state_dict(), os.path.join(arguments.out, "model.pt"))
