"""Checkpoints in LeRobot's layout: `checkpoints/<step>/{pretrained_model,training_state}` and a link `last`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from autoloop.demo.options import TrainOptions


def save_checkpoint(output_dir: Path, step: int, options: TrainOptions, policy: nn.Module, optimizer: Any) -> None:
    """Write a checkpoint. Its `train_config.json` is the config of the run, and can be passed as --config_path."""
    folder = output_dir / "checkpoints" / f"{step:06d}"
    model, state = folder / "pretrained_model", folder / "training_state"
    model.mkdir(parents=True, exist_ok=True)
    state.mkdir(exist_ok=True)
    (model / "train_config.json").write_text(json.dumps(asdict(options), indent=4) + "\n", encoding="utf-8")
    save_file(policy.state_dict(), model / "model.safetensors")
    torch.save({"optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}, state / "state.pt")
    (state / "training_step.json").write_text(json.dumps({"step": step}) + "\n", encoding="utf-8")
    last = folder.parent / "last"
    last.unlink(missing_ok=True)
    last.symlink_to(folder.name)


def load_checkpoint(folder: Path, policy: nn.Module, optimizer: Any) -> int:
    """Restore weights, optimizer and random state. Returns the step at which the checkpoint was written."""
    policy.load_state_dict(load_file(folder / "pretrained_model" / "model.safetensors"))
    saved = torch.load(folder / "training_state" / "state.pt", weights_only=True)
    optimizer.load_state_dict(saved["optimizer"])
    torch.set_rng_state(saved["rng"])
    return int(json.loads((folder / "training_state" / "training_step.json").read_text(encoding="utf-8"))["step"])
