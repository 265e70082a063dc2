"""A typical config, which tests edit."""

from __future__ import annotations

from typing import Any

BASE: dict[str, Any] = {
    "batch_size": 8,
    "seed": None,
    "job_name": "baseline",
    "use_preset": True,
    "policy": {
        "type": "act",
        "optimizer_lr": 1e-05,
        "kl_weight": 10,
        "dim_model": 512,
        "input_features": {"observation.images.side": {"shape": [3, 480, 640]}, "state": {"shape": [14]}},
    },
    "ot": {
        "lambda_ot": 0.1,
        "window_size": 10,
        "loss_config": {
            "reg": 0.1,
            "tau_src": 0.5,
            "tau_tgt": 0.5,
            "features": [
                {"key": "side", "use_learned_embed": True, "weight_label": 0.01},
                {"key": "ee", "use_learned_embed": True},
                {"key": "action", "use_learned_embed": False, "weight_label": 0.02},
            ],
        },
    },
    "terms": {"a": {"w": 1.0}, "b": {"w": 2.0}},
    "env": None,
}
