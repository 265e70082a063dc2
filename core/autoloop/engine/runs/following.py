"""How an attempt's history is read: the same for the engine, which judges by it, and for every client that shows it."""

from __future__ import annotations

from pathlib import Path

from autoloop.metric_readers import Follower, follow
from autoloop.model import Attempt, LoopSpec, Run
from autoloop.trainers import Preset


def follow_attempt(attempt: Attempt, run: Run, spec: LoopSpec, preset: Preset | None) -> Follower:
    """Nothing is read before the first `poll`. Without a preset nothing is looked for in the console log."""
    return follow(
        Path(attempt.output_dir),
        run_id=attempt.run,
        log=Path(attempt.directory) / "log.txt",
        log_freq=spec.log_freq,
        patterns=preset.console if preset else None,
        total_steps=run.total_steps or None,
        axis=(preset.step or None) if preset else None,
    )


def written_in(attempt: Attempt) -> tuple[Path, Path]:
    """The folders in which an attempt leaves what its history is read from."""
    return Path(attempt.directory), Path(attempt.output_dir)
