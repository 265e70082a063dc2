"""How an attempt's history is read: the same for the engine, which judges by it, and for every client that shows it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from autoloop.metric_readers import ConsolePatterns, Follower, follow
from autoloop.model import Attempt, LoopSpec, Run
from autoloop.trainers import Console, Preset


def follow_attempt(attempt: Attempt, run: Run, spec: LoopSpec, preset: Preset | None) -> Follower:
    """Nothing is read before the first `poll`. Without a preset nothing is looked for in the console log."""
    console = preset.console if preset else Console()
    return follow(
        Path(attempt.output_dir),
        run_id=attempt.run,
        log=Path(attempt.directory) / "log.txt",
        log_freq=spec.log_freq,
        patterns=ConsolePatterns(**msgspec.structs.asdict(console)),
        total_steps=run.total_steps or None,
    )
