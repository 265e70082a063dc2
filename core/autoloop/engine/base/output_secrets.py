"""The secrets that a run's output may contain."""

from __future__ import annotations

import contextlib
import os

from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import Run, UserError
from autoloop.secrets import of_config
from autoloop.trainers import Preset
from autoloop.wandb_cloud.key import known_secrets


def output_secrets(run: Run, preset: Preset | None) -> list[str]:
    """The secrets of this process's environment, of the preset that starts the run, and of the run's config."""
    found = known_secrets(os.environ)
    if preset is not None:
        found += of_config(preset.env)
    with contextlib.suppress(UserError):
        found += of_config(frozen_config(run))
    return found
