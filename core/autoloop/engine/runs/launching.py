"""Starts the process of an attempt: its folders, its environment, its supervisor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from autoloop.engine.base.context import Context
from autoloop.metric_readers import tap_base, wandb_runs
from autoloop.model import Attempt, EventKind, UserError
from autoloop.runners.runner import AttemptSpec, Runner
from autoloop.secrets import MASK
from autoloop.trainers import LaunchPlan, environment
from autoloop.trainers.tap import lagging_wandb, tapped


class Launcher:
    """Used only by the engine's thread."""

    def __init__(self, context: Context, max_log: int) -> None:
        """`max_log`: bytes of an attempt's log that are kept."""
        self.context = context
        self._max_log = max_log
        self._tap_reported = False

    def launch(self, attempt: Attempt, launch: LaunchPlan, runner: Runner) -> dict[str, Any] | None:
        """Start an attempt that has been recorded. Returns its handle if that is known immediately. Raises OSError,
        ValueError or UserError if it cannot be started."""
        env = self._environment(launch, apart=attempt.place in {h.name for h in self.context.spec.hosts if not h.shared})
        return runner.submit(attempt, prepare(attempt.id, launch, Path(attempt.directory), max_log=self._max_log), env)

    def _environment(self, launch: LaunchPlan, *, apart: bool) -> dict[str, str]:
        """The attempt's complete environment, with the tap if its wandb version writes late. `apart`: it runs on a host that
        does not share our files, so its wandb version is unknown."""
        if lacking := [name for name, value in launch.env.items() if value == MASK]:
            raise UserError(
                f"{' and '.join(lacking)} of the preset {self.context.spec.preset} is a secret, which is never stored, "
                "and the file no longer contains it"
            )
        env, version = attempt_environment(launch, self.context.spec.python)
        if version is None or apart:
            return env
        if not self._tap_reported:
            self._tap_reported = True
            self.context.log_event(
                EventKind.NOTE,
                f"wandb {version} of {self.context.spec.python} writes its file in 32 KiB blocks, which can be minutes "
                "late; each run's metrics are mirrored to wandb/autoloop-tap-<W&B id>.jsonl for live rules and curves (not "
                "needed with wandb 0.31)",
            )
        return env


def prepare(attempt_id: str, launch: LaunchPlan, directory: Path, *, max_log: int) -> AttemptSpec:
    """Create the folders that an attempt needs before it starts, and return its supervisor's task. Raises OSError.

    `directory`: the attempt's own folder, for its records and log. `max_log`: bytes of the log that are kept.
    """
    # The trainer creates the output directory itself: most refuse an existing one, even an empty one.
    output_dir = Path(launch.output_dir)
    made = output_dir if launch.make_output_dir else output_dir.parent
    made.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return AttemptSpec(
        attempt_id=attempt_id,
        argv=tuple(launch.argv),
        cwd=launch.cwd,
        directory=directory,
        stop=launch.stop,
        straggler_grace=launch.straggler_grace,
        max_log=max_log,
        given=given_environment(launch),
    )


def given_environment(launch: LaunchPlan) -> dict[str, str]:
    """The variables that the launch itself sets, including its own folders on PYTHONPATH."""
    return environment(launch, {})


def attempt_environment(launch: LaunchPlan, python: str) -> tuple[dict[str, str], str | None]:
    """The complete environment of an attempt. If its wandb needs the tap, the environment includes it, and the wandb version
    is returned too; otherwise that is None."""
    env = environment(launch, os.environ)
    if len(before := wandb_runs(Path(launch.output_dir))) == 1:
        # It continues from a checkpoint and calls wandb.init only once, so it can continue in the same W&B run.
        env.setdefault("WANDB_RUN_ID", before[0].run_id)
    version = lagging_wandb(python)
    return (env, None) if version is None else (tapped(env, tap_base(Path(launch.output_dir))), version)
