"""The copy of a run's config from which it is started: written once, read by the engine and its clients."""

from __future__ import annotations

from pathlib import Path

from autoloop.configs import Config, parse_config
from autoloop.files import decoded, read_regular
from autoloop.model import Run, UserError
from autoloop.trainers import Preset


def frozen_text(run: Run) -> str:
    """The copy as it is spelt on disk now: nothing of ours changes it, but somebody may have. UserError."""
    path = Path(run.config_path)
    try:
        return decoded(read_regular(path))
    except OSError as error:
        raise UserError(f"The frozen config of run {run.id} cannot be read ({error.strerror}): {path}.") from None
    except ValueError as error:
        raise UserError(f"The frozen config of run {run.id} {error}: {path}.") from None


def overriding_config(preset: Preset, run: Run) -> Config | None:
    """The run's config, for a preset that gives its values as overrides; the trainer reads the file itself otherwise."""
    return None if preset.config == "file" else frozen_config(run)


def frozen_config(run: Run) -> Config:
    """The config as it is on disk now. UserError if its copy cannot be read or is no config."""
    return parse_config(frozen_text(run), run.config_path)
