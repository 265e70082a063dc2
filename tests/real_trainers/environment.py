"""The environment in which all of these trainers are installed (2 GB)."""

from __future__ import annotations

from pathlib import Path

from tests.support.environments import built

TORCH = "torch==2.13.0"
PACKAGES = (
    "hydra-core==1.3.8",
    "transformers==5.24.0",
    "trl==1.16.0",
    "datasets==5.2.0",
    "accelerate==1.15.0",
    "lightning==2.6.6",
    "jsonargparse[signatures]==4.53.0",
    "tensorboard==2.21.0",
    "rsl-rl-lib==5.5.1",
    "tensordict==0.15.3",
    "keras==3.15.1",
)
# Keras uses TensorFlow by default.
CHECK = "import os; os.environ['KERAS_BACKEND'] = 'torch'; import hydra, keras, lightning, rsl_rl, torch, transformers, trl"


def interpreter() -> Path:
    """Return the interpreter. Raises CannotBuild."""
    # torch first and separately, so that nothing else installs a larger build of it
    return built("trainers", ((TORCH,), (TORCH, *PACKAGES)), CHECK)
