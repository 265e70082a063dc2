"""The demo's project: a baseline config with an underflowing transport, and three variants as a user would write them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

STEPS = 300
LOG_FREQ = 20
EVAL_FREQ = 50
"""The values that the demo passes to `run`. A run takes seconds, most of them for imports."""

BASELINE: dict[str, Any] = {
    "dataset": {"repo_id": "demo/reach_two_domains", "src_episodes": 100, "tgt_episodes": 8},
    "policy": {
        "type": "act",
        "device": "cpu",
        "chunk_size": 8,
        "dim_model": 32,
        "dim_feedforward": 128,
        "latent_dim": 8,
        "dropout": 0.0,
        "kl_weight": 10.0,
        "optimizer_lr": 2e-3,
        "optimizer_weight_decay": 1e-4,
    },
    "ot": {
        "lambda_ot": 0.1,
        "window_size": 5,
        "topk_src_episodes": 20,
        "bc_src_weight": 0.9,
        "sharpness": 10.0,
        "cutoff": 0.01,
        "loss_config": {
            "reg": 0.1,
            "tau_src": 0.05,
            "tau_tgt": 0.05,
            "features": [
                {
                    "key": "observation.images.third_person_cam_color",
                    "use_learned_embed": True,
                    "weight_embed": 0.2,
                    "weight_label": 0.01,
                },
                {
                    "key": "observation.images.side_cam_color",
                    "use_learned_embed": True,
                    "weight_embed": 0.2,
                    "weight_label": 0.01,
                },
                {
                    "key": "observation.images.ee_cam_color",
                    "use_learned_embed": True,
                    "weight_embed": 0.2,
                    "weight_label": 0.01,
                },
                {"key": "action", "use_learned_embed": False, "weight_embed": 0.0, "weight_label": 0.1},
            ],
        },
    },
    "optimizer": {"type": "adamw", "lr": 1e-3, "weight_decay": 1e-2, "grad_clip_norm": 10.0},
    "use_policy_training_preset": True,
    "job_name": "demo_baseline",
    "seed": 1000,
    "batch_size": 16,
    "num_workers": 0,
    "steps": STEPS,
    "log_freq": LOG_FREQ,
    "eval_freq": EVAL_FREQ,
    "save_checkpoint": True,
    "save_freq": 20000,
    "wandb": {"enable": True, "disable_artifact": True, "project": "autoloop-demo", "mode": "offline"},
}


def demo_configs() -> dict[str, dict[str, Any]]:
    """File stem -> config: the baseline first, then the three variants of the quick start."""
    return {
        "demo_baseline": BASELINE,
        "demo_reg_tau": _variant("demo_reg_tau", reg=0.15, tau=1.0, lambda_ot=0.12),
        "demo_tau2_lam015": _variant("demo_tau2_lam015", tau=2.0, lambda_ot=0.15, label_factor=0.5),
        "demo_tau5_action0005": _variant("demo_tau5_action0005", tau=5.0, lambda_ot=0.10, label=0.005),
    }


def write_project(folder: Path) -> list[Path]:
    """Write `<folder>/configs/*.json` and return the paths, baseline first. Existing files are kept unchanged."""
    configs = folder / "configs"
    configs.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, config in demo_configs().items():
        path = configs / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _variant(
    name: str,
    *,
    tau: float,
    lambda_ot: float,
    reg: float | None = None,
    label: float | None = None,
    label_factor: float = 1.0,
) -> dict[str, Any]:
    config = copy.deepcopy(BASELINE)
    config["job_name"] = name
    config["ot"]["lambda_ot"] = lambda_ot
    loss = config["ot"]["loss_config"]
    loss["tau_src"] = loss["tau_tgt"] = tau
    if reg is not None:
        loss["reg"] = reg
    for feature in loss["features"]:
        feature["weight_label"] = feature["weight_label"] * label_factor if label is None else label
    return config
