"""Attempts and their processes as seen from outside: in their files and in the process table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autoloop.model import Attempt, Run, RunState


def span(attempt: Attempt) -> tuple[float, float]:
    """Return the start and end of an ended attempt's command, from its supervisor's files. If the supervisor was killed,
    the end is when the engine released the slot."""
    start = json.loads((Path(attempt.directory) / "start.json").read_text())["started_at"]
    try:
        return float(start), float(json.loads((Path(attempt.directory) / "exit.json").read_text())["ended_at"])
    except FileNotFoundError:
        assert attempt.ended_at is not None
        return float(start), attempt.ended_at


def seen(run: Run) -> dict[str, Any]:
    """Return what the trainer of a run was given."""
    assert run.output_dir is not None
    value = json.loads((Path(run.output_dir) / "seen.json").read_text())
    assert isinstance(value, dict)
    return value


def states(runs: Iterable[Run]) -> list[RunState]:
    return [run.state for run in runs]
