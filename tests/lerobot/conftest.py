"""The LeRobot that these tests train with, built once under `.envs/`.

If it cannot be built, they are skipped with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import autoloop
import pytest

from tests.engine.project import EngineProject
from tests.lerobot import environment


class LeRobot(NamedTuple):
    python: str
    script: str
    dataset: str

    def config(self, **changes: Any) -> dict[str, Any]:
        """Return the config of a state-only ACT with 30 000 parameters; `policy__dim_model=64` sets `policy.dim_model`."""
        config: dict[str, Any] = {
            "dataset": {"repo_id": "local/reach", "root": self.dataset},
            "policy": {
                **{"type": "act", "device": "cpu", "push_to_hub": False, "pretrained_backbone_weights": None},
                **{"chunk_size": 8, "n_action_steps": 8, "dim_model": 32, "n_heads": 2, "dim_feedforward": 64},
                **{"n_encoder_layers": 1, "n_decoder_layers": 1, "n_vae_encoder_layers": 1, "latent_dim": 8},
                "optimizer_lr": 0.001,
            },
            **{"seed": 1000, "num_workers": 0, "batch_size": 12, "save_checkpoint": False},
        }
        for name, value in changes.items():
            *path, last = name.split("__")
            place = config
            for part in path:
                place = place[part]
            place[last] = value
        return config


@pytest.fixture(scope="session")
def lerobot() -> LeRobot:
    folder = environment.ROOT / ".envs" / "lerobot"
    try:
        python, dataset = environment.build(folder)
    except (environment.CannotBuild, OSError) as problem:
        pytest.skip(str(problem))
    (script,) = python.parents[1].glob("lib/python*/site-packages/lerobot/scripts/lerobot_train.py")
    return LeRobot(str(python), str(script), str(dataset))


@pytest.fixture
def project(tmp_path: Path, lerobot: LeRobot, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProject]:
    for name, value in environment.environment(environment.ROOT / ".envs" / "lerobot").items():
        monkeypatch.setenv(name, value)
    # Use no W&B key of the user, and the package under test in every process.
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    core = Path(autoloop.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(core), str(core.parent)]))
    folder = tmp_path / "project"
    folder.mkdir()
    project = EngineProject(folder)
    yield project
    project.close()
