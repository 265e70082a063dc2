"""Extending an ended run: whether it can continue from its last checkpoint to more steps, and whether it did.

Engine, command line and console call the same `refusal`, so that a user learns the reason before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.engine.planning.then import MOST_STEPS
from autoloop.model import Attempt, Run
from autoloop.runners.ssh.left import exists
from autoloop.trainers import Preset, checkpoint_path


def refusal(preset: Preset, run: Run, steps: int | None = None) -> str | None:
    """Why `run` cannot continue to a total of `steps` steps (None: any number), or None if it can. Checks that the
    checkpoint exists."""
    checkpoint = checkpoint_path(preset, run.output_dir or "")
    if checkpoint is None:
        return (
            f"The preset {preset.name} has no [resume] table to resume its trainer, so run {run.id} "
            "cannot be extended; propose a variant of it instead."
        )
    if not run.state.ended:
        return f"Run {run.id} is {run.state.value}; only an ended run can be extended."
    if run.output_dir is None or not exists(checkpoint, run.output_dir):
        where = f": {checkpoint} does not exist" if run.output_dir else ""
        return f"Run {run.id} has no checkpoint to continue from{where}."
    if steps is not None and steps <= run.step:
        return f"Run {run.id} has already made {run.step} steps; give a larger total."
    if steps is not None and steps > MOST_STEPS:
        return f"A run makes at most {MOST_STEPS} steps, not {steps}; give a smaller total."
    return None


def was_resumed(attempts: Sequence[Attempt]) -> bool:
    """Whether a run's last attempt continued from the checkpoint of the one before: only then do they share an output
    directory."""
    return len(attempts) > 1 and attempts[-1].output_dir == attempts[-2].output_dir
