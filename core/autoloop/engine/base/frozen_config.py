"""The frozen copy of a run's config, from which the run starts: written once, read by the engine and its clients."""

from __future__ import annotations

from pathlib import Path

from autoloop.configs import Config, parse_config
from autoloop.files import decoded, read_regular
from autoloop.model import Run, UserError
from autoloop.trainers import Preset, passes_seed


def frozen_text(run: Run) -> str:
    """The current text of the copy. Auto Loop never changes it, but a user may. Raises UserError if it cannot be read."""
    path = Path(run.config_path)
    try:
        return decoded(read_regular(path))
    except OSError as error:
        raise UserError(f"The frozen config of run {run.id} cannot be read ({error.strerror}): {path}.") from None
    except ValueError as error:
        raise UserError(f"The frozen config of run {run.id} {error}: {path}.") from None


def passed_config(preset: Preset, run: Run) -> Config | None:
    """The run's config if its command passes values of it; None if the trainer reads them all from the file."""
    return frozen_config(run) if preset.config != "file" or passes_seed(preset) else None


def frozen_config(run: Run) -> Config:
    """The config in the copy on disk now. Raises UserError if the copy cannot be read or is not a config."""
    return parse_config(frozen_text(run), run.config_path)
